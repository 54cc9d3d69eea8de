import type { FastifyInstance, FastifyRequest } from 'fastify'
import { AuthzError } from '../errors.ts'
import { describeRoute } from '../policy/document.ts'
import type { Policy } from '../policy/policy.ts'
import { normalizedUrl, type RouterSettings } from '../routing/router-settings.ts'
import { requestedUrl, UrlPattern } from '../routing/url-pattern.ts'
import { AttachedRoute, numberOf, type ToldRoute } from './attached-route.ts'
import { type CompiledRule, compileRule, type RuleContext } from './compile.ts'
import { groupOf, noteRoute } from './group.ts'
import { Place } from './place.ts'
import { type RouteFacts, resolveRule } from './resolve.ts'
import type { RuleSet, RulesOfRoute } from './rule-set.ts'

/** One method of a route. */
export interface RuledRoute {
  readonly method: string
  /** The URL pattern. */
  readonly url: string
  /** `null`: there is none. */
  readonly rule: CompiledRule | null
}

interface KnownRoute extends RouteFacts {
  readonly methods: readonly string[]
  /** What `request.routeOptions.config.url` may be. */
  readonly urls: readonly string[]
}

/** A route that `onRoute` has told of. */
export interface NotedRoute {
  readonly route: AttachedRoute
  /** Whether it has a rule for each of its methods. */
  readonly hasRule: boolean
}

/** The routes of one plugin and their rules. Each route carries its number, so that no URL is ever matched a second time. */
export class RouteRules {
  readonly #key: symbol = Symbol('spiffe.authz.route')
  readonly #context: Omit<RuleContext, 'roles'>
  readonly #notFound: unknown
  readonly #router: RouterSettings
  readonly #routes: KnownRoute[] = []
  /** By method and pattern: the routes that were declared before, whose rules only the document can name. */
  readonly #adopted = new Map<string, number>()
  #policy: Policy
  #active: { version: string; rules: RulesOfRoute[]; notFound: CompiledRule | null }

  /**
   * @param notFound - the rule of requests that match no route; `undefined`: there is none
   * @throws {AuthzError} `invalid-rule`
   */
  constructor(
    context: Omit<RuleContext, 'roles'>,
    notFound: unknown,
    policy: Policy,
    router: RouterSettings,
  ) {
    this.#router = router
    this.#context = context
    this.#notFound = notFound
    this.#policy = policy
    this.#active = { version: policy.version, rules: [], notFound: this.#compileNotFound(policy) }
  }

  /** The rules that requests meet now. */
  get active(): RuleSet {
    return this.#active
  }

  /**
   * Takes note of a route, and compiles its rule.
   *
   * @throws {AuthzError} `invalid-rule`
   */
  attach(instance: FastifyInstance, options: ToldRoute): NotedRoute {
    const { config, method, url } = options
    noteRoute(instance)
    const facts = {
      place: Place.ofRoute(options),
      url,
      group: groupOf(instance),
      ...this.#patternOf(url),
    }
    const methods = [method].flat()
    const known = { ...facts, methods, urls: urlsOf(options), documentUrl: this.#nameOf(options) }
    const rules = this.#compileRoute({ ...known, own: config?.spiffe }, this.#policy)
    const route = new AttachedRoute(options, this.#key, this.#routes.length)
    this.#routes.push({ ...known, own: route.own })
    this.#active.rules.push(rules)
    return { route, hasRule: rules !== null }
  }

  /**
   * Takes note of a route that was declared before, if the policy document names its rule under `routes`. Rules that may
   * stand nearer to it are out of sight: if there is one after all, {@link of} finds none.
   *
   * @throws {AuthzError} `invalid-rule`
   */
  adopt(methods: readonly string[], url: string): boolean {
    if (methods.some((method) => this.#policy.ofRoute(method, url) === null)) return false
    const place = Place.ofRoute({ method: [...methods], url })
    const names = { url, urls: [url], documentUrl: url }
    const route = { place, methods, ...names, own: undefined, group: null, ...this.#patternOf(url) }
    this.#active.rules.push(this.#compileRoute(route, this.#policy))
    for (const method of methods) this.#adopted.set(this.#keyOf(method, url), this.#routes.length)
    this.#routes.push(route)
    return true
  }

  /** The rule of a request; `null`: there is none. */
  of(request: FastifyRequest, { rules, notFound }: RuleSet): CompiledRule | null {
    const { config } = request.routeOptions
    const number = numberOf(config, this.#key)
    if (number === undefined) {
      return request.is404 ? notFound : ofMethod(rules[this.#adoptedBy(request)], request.method)
    }
    // Whoever copies configurations while the application runs copies the number.
    const isSame = this.#routes[number]?.urls.includes(config.url) === true
    return isSame ? ofMethod(rules[number], request.method) : null
  }

  /** The number of a route that was adopted, unless it has a rule of its own, or its instance has one. */
  #adoptedBy({ method, params, routeOptions: { config }, server }: FastifyRequest): number {
    if (config.spiffe !== undefined || groupOf(server) !== null) return -1
    return this.#adopted.get(this.#keyOf(method, requestedUrl(config.url, params))) ?? -1
  }

  /** The router prints the one text, and the configuration has what was declared. */
  #keyOf(method: string, url: string): string {
    return `${method} ${normalizedUrl(url, this.#router)}`
  }

  /** Every method of every route, with its rule, in the order of declaration. */
  *list({ rules }: RuleSet): Iterable<RuledRoute> {
    for (const [number, { methods, url }] of this.#routes.entries()) {
      for (const method of methods) yield { method, url, rule: ofMethod(rules[number], method) }
    }
  }

  /** One method of every route of a pattern: there are several where routes differ by a constraint alone, such as the host. */
  find(method: string, url: string, rules: RuleSet): readonly RuledRoute[] {
    return Array.from(this.list(rules)).filter((it) => it.method === method && it.url === url)
  }

  /**
   * Compiles the rules of all routes under a policy. Nothing that runs sees them before {@link use}.
   *
   * @throws {AuthzError} `invalid-rule`, `uncovered-routes`
   */
  compile(policy: Policy): RuleSet {
    this.assertKnown(policy)
    const rules = this.#routes.map((route) => this.#compileRoute(route, policy))
    const uncovered = this.#routes.filter((_, number) => rules[number] === null)
    if (uncovered.length > 0) {
      throw AuthzError.uncovered(
        uncovered.map(({ methods, url }) => {
          return { method: methods.join(', '), url, reason: 'no-rule' }
        }),
      )
    }
    return { version: policy.version, rules, notFound: this.#compileNotFound(policy) }
  }

  /** Lets requests meet these rules from now on. */
  use(policy: Policy, rules: RuleSet): void {
    this.#policy = policy
    this.#active = { ...rules, rules: [...rules.rules] }
  }

  /**
   * A document that rules a route which does not exist was written for another application, or has a mistake.
   *
   * @throws {AuthzError} `invalid-rule`
   */
  assertKnown(policy: Policy): void {
    const known = new Set(
      this.#routes.flatMap(({ methods, url }) => methods.map((method) => `${method} ${url}`)),
    )
    for (const key of policy.routes) {
      if (known.has(key)) continue
      Place.ofDocument(policy.source, 'routes').refuse(
        `routes["${describeRoute(key)}"]`,
        key,
        'is no route',
      )
    }
  }

  /**
   * What a policy document may call a route. Where Fastify takes in the `GET` of a prefix with and without a slash at its end,
   * and tells of the one without, it tells of both routes of `HEAD` that it adds.
   */
  #nameOf({ url, method, prefix }: ToldRoute): string {
    if (method !== 'HEAD' || prefix === '' || url !== `${prefix}/`) return url
    const isTold = this.#routes.some((route) => route.url === url && route.methods.includes('GET'))
    return isTold ? url : prefix
  }

  #patternOf(url: string): Pick<RouteFacts, 'pattern'> {
    return { pattern: new UrlPattern(url, this.#router) }
  }

  #compileRoute(route: KnownRoute, policy: Policy): RulesOfRoute {
    const byRoot = new Map<string, CompiledRule>()
    const byMethod = new Map<string, CompiledRule>()
    for (const method of route.methods) {
      const found = resolveRule(route, method, policy)
      if (found === null) return null
      const { root } = found.rule.place
      const rule = byRoot.get(root) ?? compileRule(found, this.#contextOf(policy))
      byRoot.set(root, rule)
      byMethod.set(method, rule)
    }
    const [only, ...others] = byRoot.values()
    return others.length === 0 ? (only ?? null) : byMethod
  }

  #compileNotFound(policy: Policy): CompiledRule | null {
    if (this.#notFound === undefined) return null
    const place = Place.ofNotFound()
    const { rule } = policy.resolve(place, this.#notFound)
    return compileRule({ rule: { place, rule }, around: [] }, this.#contextOf(policy))
  }

  #contextOf({ roles }: Policy): RuleContext {
    return { ...this.#context, roles }
  }
}

/** Older releases of Fastify write the slash, which they add to the path of a prefix, into the configuration. */
function urlsOf({ url, prefix, routePath }: ToldRoute): readonly string[] {
  return prefix !== '' && routePath === '' ? [url, `${url}/`] : [url]
}

function ofMethod(rules: RulesOfRoute | undefined, method: string): CompiledRule | null {
  if (rules === undefined || rules === null) return null
  return 'identify' in rules ? rules : (rules.get(method) ?? null)
}
