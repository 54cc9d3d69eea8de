/** What imports what, by name. */
export type Graph = ReadonlyMap<string, ReadonlySet<string>>

/**
 * The strongly connected components of more than one member, by Tarjan's algorithm: each member
 * imports each other one, directly or by way of others of the component.
 */
export function knotsOf(graph: Graph): string[][] {
  const indexes = new Map<string, number>()
  const lowest = new Map<string, number>()
  const stack: string[] = []
  const open = new Set<string>()
  const knots: string[][] = []

  function visit(node: string): void {
    const index = indexes.size
    indexes.set(node, index)
    lowest.set(node, index)
    stack.push(node)
    open.add(node)
    for (const next of graph.get(node) ?? []) {
      if (!indexes.has(next)) visit(next)
      if (open.has(next)) lowest.set(node, Math.min(numberOf(lowest, node), numberOf(lowest, next)))
    }
    if (numberOf(lowest, node) < index) return
    const members = stack.splice(stack.indexOf(node))
    for (const member of members) open.delete(member)
    if (members.length > 1) knots.push(members.toSorted())
  }

  for (const node of graph.keys()) if (!indexes.has(node)) visit(node)
  return knots
}

function numberOf(numbers: ReadonlyMap<string, number>, node: string): number {
  return numbers.get(node) ?? 0
}
