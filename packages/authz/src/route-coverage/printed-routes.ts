import type { FastifyInstance } from 'fastify'

/** What the router's printed tree says of one handler. */
export interface PrintedRoute {
  readonly methods: string[]
  readonly url: string
  /** As they are printed; empty for none. */
  readonly constraints: string
  /** Names of its hooks. */
  readonly hooks: string[]
}

/** `│   └── path (GET) {"version":"1.0.0"}` */
const NODE = /^((?:│ {3}| {4})*)[├└]── (.*)$/
const HANDLER = /^(.*) \([A-Z-]+\)((?: \{.*\})?)$/
const HOOKS = /• \((?:onRequest|onError)\) (\[.*\])$/
const INDENT = /^[│ ]*/
/** Of the node above all paths, and of a path without text. */
const EMPTY = '(empty root node)'

/**
 * All routes of the application, whichever instance declared them: the instances share one router, and `printRoutes` is
 * the public view of it. A tree for each method is much cheaper than one of all.
 */
export function printedRoutes(fastify: FastifyInstance): readonly PrintedRoute[] {
  const routes = new Map<string, PrintedRoute>()
  for (const method of fastify.supportedMethods) {
    // Without `commonPrefix`, the tree leaves out wildcards that stand below different paths.
    const tree = fastify.printRoutes({ method, includeMeta: ['onRequest', 'onError'] })
    for (const route of parseTree(tree)) {
      const key = JSON.stringify([route.url, route.constraints, route.hooks])
      const known = routes.get(key) ?? route
      known.methods.push(method)
      routes.set(key, known)
    }
  }
  return [...routes.values()]
}

/** How the tree shows the constraints of a route; empty for none. */
export function constraintsText(constraints: object): string {
  if (Object.keys(constraints).length === 0) return ''
  return JSON.stringify(constraints, (_key, value: unknown) => {
    return value instanceof RegExp ? String(value) : value
  })
}

/** Reads the tree that Fastify's `printRoutes` documents. */
function parseTree(tree: string): readonly PrintedRoute[] {
  const routes: PrintedRoute[] = []
  const path: string[] = []
  for (const line of tree.split('\n')) {
    const names = HOOKS.exec(line)?.[1]
    if (names === undefined) routes.push(...parseNode(line, path))
    else routes.at(-1)?.hooks.push(...hookNames(names))
  }
  return routes
}

/** One line of the tree, below `path`. A node with several handlers repeats its text, without a branch. */
function parseNode(line: string, path: string[]): readonly PrintedRoute[] {
  const [, indent, node] = NODE.exec(line) ?? []
  const [, text, constraints] = HANDLER.exec(node ?? line.replace(INDENT, '')) ?? []
  if (indent !== undefined) {
    const name = text ?? node ?? ''
    path.splice(indent.length / 4, Infinity, name === EMPTY ? '' : name)
  }
  if (constraints === undefined) return []
  return [{ methods: [], url: path.join(''), constraints: constraints.trim(), hooks: [] }]
}

/** `["first()","second()"]` */
function hookNames(printed: string): readonly string[] {
  const names: unknown = JSON.parse(printed)
  return Array.isArray(names) ? names.map((name) => String(name).replace(/\(\)$/, '')) : []
}
