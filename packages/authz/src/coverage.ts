import type { FastifyInstance, onErrorHookHandler, RouteOptions } from 'fastify'
import { declaredAt } from './declared-at.ts'
import { AuthzError } from './errors.ts'

/** A route that nobody could reach, because it carries no rule. */
export interface UncoveredRoute {
  /** Its methods, separated by commas. */
  readonly method: string
  readonly url: string
  /** File and line of the code that declares it, where that is known. */
  readonly declaredAt?: string
}

/** What the router's printed tree says of one handler. */
interface PrintedRoute extends UncoveredRoute {
  /** Names of the hooks that this plugin looks for. */
  readonly hooks: string[]
}

/** `│   └── path (GET, HEAD) {"version":"1.0.0"}` */
const NODE = /^((?:│ {3}| {4})*)[├└]── (.*)$/
const HANDLER = /^(.*) \(([A-Z-]+(?:, [A-Z-]+)*)\)(?: \{.*\})?$/
const HOOKS = /• \((?:onRequest|onError)\) (\[.*\])$/
const INDENT = /^[│ ]*/

/**
 * Proves at boot that every route within reach of the gate carries a rule.
 *
 * `onRoute` tells of most routes, but not of those that were declared before this plugin was loaded: in plugins that were
 * registered earlier, or right after `register` without `await`. The one public view of all routes is the printed tree
 * of the router, and all that it shows of a route are the names of its hooks. So every route that `onRoute` tells of
 * gets a named hook, `onError`, which costs a good request nothing; a printed route that has the gate and lacks the mark
 * was missed. Where an application prints its routes in its own way (`buildPrettyMeta`), such routes are refused at run
 * time only.
 */
export class Coverage {
  readonly #gate: string
  readonly #mark: onErrorHookHandler
  readonly #withoutRule: UncoveredRoute[] = []

  /** @param gate - the name of the hook that refuses routes without a rule */
  constructor(gate: string) {
    this.#gate = gate
    this.#mark = Object.defineProperty(pass.bind(undefined), 'name', { value: `${gate}Route` })
  }

  /** Takes note of a route that `onRoute` tells of. */
  add(route: RouteOptions, hasRule: boolean): void {
    route.onError = [...[route.onError ?? []].flat(), this.#mark]
    if (hasRule) return
    const at = declaredAt()
    const method = [route.method].flat().join(', ')
    this.#withoutRule.push({ method, url: route.url, ...(at !== null && { declaredAt: at }) })
  }

  /** @throws {AuthzError} `uncovered-routes`, naming them all */
  assertComplete(fastify: FastifyInstance): void {
    const routes = [...this.#withoutRule.filter(isNotAutomaticHead), ...this.#missed(fastify)]
    if (routes.length > 0) throw AuthzError.uncovered(routes)
  }

  #missed(fastify: FastifyInstance): readonly UncoveredRoute[] {
    const includeMeta = ['onRequest', 'onError']
    // The router has a tree for each method, and builds one of all of them anew, which costs much more.
    const trees = fastify.supportedMethods.map((method) => {
      return fastify.printRoutes({ method, includeMeta, commonPrefix: false })
    })
    if (!trees.some((tree) => this.#misses(tree))) return []
    return parseTree(fastify.printRoutes({ includeMeta }))
      .filter(({ hooks }) => hooks.includes(this.#gate) && !hooks.includes(this.#mark.name))
      .map(({ method, url }) => ({ method, url }))
  }

  /** Whether a handler in the tree has the gate and lacks the mark, which stands on the line behind. */
  #misses(tree: string): boolean {
    const [gate, mark] = [`"${this.#gate}()"`, `"${this.#mark.name}()"`]
    const lines = tree.split('\n')
    return lines.some((line, number) => line.includes(gate) && !lines[number + 1]?.includes(mark))
  }
}

function pass(_request: unknown, _reply: unknown, _error: unknown, done: () => void): void {
  done()
}

/** Fastify's own HEAD route would be listed beside the GET route that it follows from. */
function isNotAutomaticHead(
  { method, url }: UncoveredRoute,
  _position: number,
  all: readonly UncoveredRoute[],
): boolean {
  return (
    method !== 'HEAD' || !all.some((other) => other.url === url && other.method.includes('GET'))
  )
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
  const [, text, method] = HANDLER.exec(node ?? line.replace(INDENT, '')) ?? []
  if (indent !== undefined) path.splice(indent.length / 4, Infinity, text ?? node ?? '')
  return method === undefined ? [] : [{ method, url: path.join(''), hooks: [] }]
}

/** `["first()","second()"]` */
function hookNames(printed: string): readonly string[] {
  const names: unknown = JSON.parse(printed)
  return Array.isArray(names) ? names.map((name) => String(name).replace(/\(\)$/, '')) : []
}
