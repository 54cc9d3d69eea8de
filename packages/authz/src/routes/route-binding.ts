import type { FastifyInstance, FastifyRequest } from 'fastify'
import type {
  CompiledRule,
  RuleFinder,
  RuleSet,
  RuleTable,
  TableEntry,
} from '@fastify-spiffe/policy/internal'
import { normalizedUrl, type RouterSettings } from '../routing/router-settings.ts'
import { requestedUrl, UrlPattern } from '../routing/url-pattern.ts'
import { AttachedRoute, indexOf, type ToldRoute } from './attached-route.ts'
import { markHasRoutes, scopeOf } from './protect.ts'

/** A route that `onRoute` has reported. */
export interface NotedRoute {
  readonly route: AttachedRoute
  /** Whether it has a rule for each of its methods. */
  readonly hasRule: boolean
}

/** What a route of the table is in the router. */
interface BoundRoute {
  readonly methods: readonly string[]
  readonly url: string
  /** What else than `url` `request.routeOptions.config.url` may be; `null`: nothing. */
  readonly slashedUrl: string | null
}

/**
 * Binds the routes of Fastify to the table of rules. Each route carries its number in the table, so that no URL is ever
 * matched a second time.
 */
export class RouteBinding implements RuleFinder<FastifyRequest> {
  readonly #key: symbol = Symbol('spiffe.authz.route')
  readonly #table: RuleTable
  readonly #router: RouterSettings
  /** By their numbers in the table. */
  readonly #routes: BoundRoute[] = []
  /** By method and pattern: the routes that were declared before, whose rules only the document can name. */
  readonly #adopted = new Map<string, number>()

  constructor(table: RuleTable, router: RouterSettings) {
    this.#table = table
    this.#router = router
  }

  /**
   * Takes note of a route, and compiles its rule.
   *
   * @throws {PolicyError} `invalid-rule`
   */
  attach(instance: FastifyInstance, options: ToldRoute): NotedRoute {
    const { config, method, url } = options
    markHasRoutes(instance)
    const methods = [method].flat()
    const entry = this.#add(
      { methods, url, slashedUrl: slashedUrlOf(options) },
      {
        documentUrl: this.#documentUrlOf(options),
        own: config?.spiffe,
        scope: scopeOf(instance),
      },
    )
    const route = new AttachedRoute(options, this.#key, entry)
    return { route, hasRule: entry.hasRule }
  }

  /**
   * Takes note of a route that was declared before, if the policy document names its rule under `routes`. Rules that may
   * stand nearer to it are out of sight: if there is one after all, {@link ruleOf} finds none.
   *
   * @throws {PolicyError} `invalid-rule`
   */
  adopt(methods: readonly string[], url: string): boolean {
    if (!this.#table.isNamed(methods, url)) return false
    const { index } = this.#add({ methods, url, slashedUrl: null }, { scope: null })
    for (const method of methods) this.#adopted.set(this.#keyOf(method, url), index)
    return true
  }

  /** The rule of a request; `null`: there is none. */
  ruleOf(request: FastifyRequest, rules: RuleSet): CompiledRule | null {
    const { method, routeOptions } = request
    const { config } = routeOptions
    const index = indexOf(config, this.#key)
    if (index === undefined) {
      if (request.is404) return rules.notFound
      return this.#table.ruleAt(this.#adoptedBy(request), method, rules)
    }
    // Whoever copies configurations while the application runs copies the number.
    const isSame = isUrlOf(this.#routes[index], config.url)
    return isSame ? this.#table.ruleAt(index, method, rules) : null
  }

  #add(
    route: BoundRoute,
    rule: Pick<Parameters<RuleTable['add']>[0], 'documentUrl' | 'own' | 'scope'>,
  ): TableEntry {
    const { methods, url } = route
    const pattern = new UrlPattern(url, this.#router)
    const entry = this.#table.add({ methods, url, pattern, ...rule })
    this.#routes[entry.index] = route
    return entry
  }

  /** The number of a route that was adopted, unless it has a rule of its own, or its instance has one. */
  #adoptedBy({ method, params, routeOptions: { config }, server }: FastifyRequest): number {
    if (config.spiffe !== undefined || scopeOf(server) !== null) return -1
    return this.#adopted.get(this.#keyOf(method, requestedUrl(config.url, params))) ?? -1
  }

  /** The router prints the one text, and the configuration has what was declared. */
  #keyOf(method: string, url: string): string {
    return `${method} ${normalizedUrl(url, this.#router)}`
  }

  /**
   * What a policy document may call a route. Where Fastify takes in the `GET` of a prefix with and without a slash at its end,
   * and tells of the one without, it tells of both routes of `HEAD` that it adds.
   */
  #documentUrlOf({ url, method, prefix }: ToldRoute): string {
    if (method !== 'HEAD' || prefix === '' || url !== `${prefix}/`) return url
    const isTold = this.#routes.some((route) => route.url === url && route.methods.includes('GET'))
    return isTold ? url : prefix
  }
}

/** Older releases of Fastify write the slash, which they add to the path of a prefix, into the configuration. */
function slashedUrlOf({ url, prefix, routePath }: ToldRoute): string | null {
  return prefix !== '' && routePath === '' ? `${url}/` : null
}

function isUrlOf(route: BoundRoute | undefined, url: string): boolean {
  return route !== undefined && (route.url === url || route.slashedUrl === url)
}
