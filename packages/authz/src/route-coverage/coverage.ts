import type { FastifyInstance, onErrorHookHandler, RouteOptions } from 'fastify'
import { AuthzError } from '../errors.ts'
import type { NotedRoute } from '../routes/route-binding.ts'
import type { RouterSettings } from '../routing/router-settings.ts'
import type { UncoveredReason, UncoveredRoute } from '../uncovered-route.ts'
import { type Declaration, declarationOf } from './declaration.ts'
import { withoutDerived } from './listing.ts'
import { isShownAs, patternsOf } from './patterns.ts'
import { constraintsText, type PrintedRoute, printedRoutes } from './printed-routes.ts'

interface DeclaredRoute extends NotedRoute {
  /** `null` for a route with a rule: to look for it takes longer than all the rest. */
  readonly declaration: Declaration | null
  /** As they are printed. */
  readonly constraints: string
}

/** Takes over the rule of a route that was declared before, if there is one. */
type Adopt = (methods: readonly string[], url: string) => boolean

/** The hook of any registration of the plugin. Each proves what it guards. */
const GATE = /^spiffeAuthz\d+$/

/**
 * Proves at boot that every route of the application carries a rule, and passes a gate that knows it.
 *
 * `onRoute` reports the routes that are declared later, on this instance and within. The public
 * view of the others is the printed tree of the router, which all instances share, and all that it
 * shows of a route are the names of its hooks. So every route that `onRoute` reports gets a named
 * hook, `onError`, which costs a good request nothing. A printed route that has the authorization
 * hook and lacks this mark was declared before; one without the hook is outside of all guarded
 * instances.
 */
export class Coverage {
  readonly #gate: string
  readonly #mark: onErrorHookHandler
  readonly #router: RouterSettings
  readonly #routes: DeclaredRoute[] = []

  /** @param gate - the name of the hook that refuses routes without a rule */
  constructor(gate: string, router: RouterSettings) {
    this.#gate = gate
    this.#router = router
    this.#mark = Object.defineProperty(pass.bind(undefined), 'name', { value: `${gate}Route` })
  }

  /** Notes a route that `onRoute` reports. */
  add(instance: FastifyInstance, options: RouteOptions, route: NotedRoute): void {
    options.onError = [...[options.onError ?? []].flat(), this.#mark]
    const constraints = constraintsText(options.constraints ?? {})
    const declaration = route.hasRule ? null : declarationOf(instance)
    this.#routes.push({ ...route, declaration, constraints })
  }

  /** @throws {AuthzError} `uncovered-routes`, naming them all */
  assertComplete(fastify: FastifyInstance, adopt: Adopt): void {
    const noted = this.#routes.flatMap((route) => uncovered(route) ?? [])
    const routes = withoutDerived([...noted, ...this.#unseen(fastify, adopt)])
    this.#routes.length = 0
    if (routes.length > 0) throw AuthzError.uncovered(routes)
  }

  #unseen(fastify: FastifyInstance, adopt: Adopt): readonly UncoveredRoute[] {
    const printed = printedRoutes(fastify)
    const showsHooks = printed.some(({ hooks }) => hooks.length > 0)
    return printed.flatMap((route) => {
      const reason = showsHooks ? this.#reasonOf(route) : 'not-shown'
      const { methods, url } = route
      if (reason === null || this.#isNoted(route)) return []
      if (reason === 'not-seen' && patternsOf(url).filter((it) => adopt(methods, it)).length > 0) {
        return []
      }
      return [{ method: methods.join(', '), url, reason }]
    })
  }

  #reasonOf({ hooks }: PrintedRoute): UncoveredReason | null {
    if (hooks.includes(this.#mark.name)) return null
    const gates = hooks.filter((name) => GATE.test(name))
    if (!hooks.includes(this.#gate)) return gates.length === 0 ? 'out-of-reach' : null
    return gates.length === 1 ? 'not-seen' : 'guarded-twice'
  }

  /**
   * Whether `onRoute` reported it, and a later hook removed the mark, or the application does not
   * print it.
   */
  #isNoted({ methods, url, constraints }: PrintedRoute): boolean {
    const candidates = this.#routes.filter(({ route, ...noted }) => {
      return noted.constraints === constraints && isShownAs(route.url, url, this.#router)
    })
    return methods.every((method) => {
      return candidates.some(({ route }) => route.methods.includes(method))
    })
  }
}

function pass(_request: unknown, _reply: unknown, _error: unknown, done: () => void): void {
  done()
}

function uncovered({ route, hasRule, declaration }: DeclaredRoute): UncoveredRoute | null {
  const { changed } = route
  if (hasRule && changed === null) return null
  return {
    method: route.methods.join(', '),
    url: route.url,
    reason: hasRule ? 'changed' : 'no-rule',
    ...(hasRule && changed !== null && { changed }),
    ...declaration,
  }
}
