import * as fc from 'fast-check'
import { edited, edits, type Edit } from './mutation.ts'

/** An element of a format of nested elements, such as DER or protobuf: what it is called, and what it holds. */
export interface Node {
  readonly label: number
  readonly content: Uint8Array | readonly Node[]
}

/** How such a format is read and written. */
export interface Format {
  /** `undefined` for bytes that are no sequence of elements. */
  readonly parse: (bytes: Uint8Array) => readonly Node[] | undefined
  readonly write: (nodes: readonly Node[]) => Buffer
}

/** One change of a tree. Positions wrap around. The lengths around it are made to fit, so that readers get far into it. */
export interface TreeEdit {
  readonly kind: (typeof KINDS)[number]
  readonly at: number
  readonly label: number
  readonly edits: readonly Edit[]
}

const KINDS = ['edit', 'relabel', 'delete', 'double', 'swap', 'empty', 'wrap'] as const

export const treeEdits: fc.Arbitrary<readonly TreeEdit[]> = fc.array(
  fc.record({
    kind: fc.oneof(
      { weight: 2, arbitrary: fc.constant('edit' as const) },
      { weight: 3, arbitrary: fc.constantFrom(...KINDS) },
    ),
    at: fc.nat(0xffff),
    label: fc.oneof(
      fc.constantFrom(0x01, 0x02, 0x03, 0x04, 0x06, 0x0c, 0x17, 0x18, 0x30, 0x80, 0x86, 0xa0),
      fc.integer({ min: 0, max: 255 }),
    ),
    edits,
  }),
  { minLength: 1, maxLength: 3 },
)

/** The bytes with changed elements; unchanged where they are no elements. */
export function withTreeEdits(
  format: Format,
  bytes: Uint8Array,
  changes: readonly TreeEdit[],
): Buffer {
  let nodes = format.parse(bytes)
  if (nodes === undefined) return Buffer.from(bytes)
  for (const change of changes) nodes = changed(nodes, change)
  return format.write(nodes)
}

function changed(nodes: readonly Node[], change: TreeEdit): readonly Node[] {
  const total = count(nodes)
  return total === 0 ? nodes : changedAt(nodes, change.at % total, change)
}

/** Changes the element with the number `at`, counted from the outside in and from left to right. */
function changedAt(nodes: readonly Node[], at: number, change: TreeEdit): readonly Node[] {
  let rest = at
  for (const [index, node] of nodes.entries()) {
    if (rest === 0) return nodes.toSpliced(index, 1, ...replaced(node, nodes[index + 1], change))
    const inside = isTree(node) ? count(node.content) : 0
    if (rest <= inside && isTree(node)) {
      return nodes.with(index, { ...node, content: changedAt(node.content, rest - 1, change) })
    }
    rest -= inside + 1
  }
  return nodes
}

function replaced(node: Node, next: Node | undefined, change: TreeEdit): readonly Node[] {
  switch (change.kind) {
    case 'edit':
      return [{ ...node, content: editedContent(node.content, change.edits) }]
    case 'relabel':
      return [{ ...node, label: change.label }]
    case 'delete':
      return []
    case 'double':
      return [node, node]
    case 'swap':
      return next === undefined ? [node, node] : [next, node]
    case 'empty':
      return [{ ...node, content: new Uint8Array() }]
    case 'wrap':
    default:
      return [{ label: change.label, content: [node] }]
  }
}

/** Of an element that holds others, those: nothing else about it can be edited. */
function editedContent(content: Node['content'], changes: readonly Edit[]): Node['content'] {
  return content instanceof Uint8Array ? edited(content, changes) : content.slice(1)
}

function isTree(node: Node): node is Node & { readonly content: readonly Node[] } {
  return !(node.content instanceof Uint8Array)
}

function count(nodes: readonly Node[]): number {
  return nodes.reduce((sum, node) => sum + 1 + (isTree(node) ? count(node.content) : 0), 0)
}
