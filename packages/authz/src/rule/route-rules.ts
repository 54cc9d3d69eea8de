import type { FastifyInstance, FastifyRequest, RouteOptions } from 'fastify'
import { AuthzError } from '../errors.ts'
import type { Policy } from '../policy/policy.ts'
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
}

interface Attached {
  readonly [key: symbol]: number | undefined
}

/** The routes of one plugin and their rules. Each route carries its number, so that no URL is ever matched a second time. */
export class RouteRules {
  readonly #key: symbol = Symbol('spiffe.authz.route')
  readonly #context: Omit<RuleContext, 'roles'>
  readonly #notFound: unknown
  readonly #routes: KnownRoute[] = []
  #policy: Policy
  #active: { version: string; rules: RulesOfRoute[]; notFound: CompiledRule | null }

  /**
   * @param notFound - the rule of requests that match no route; `undefined`: there is none
   * @throws {AuthzError} `invalid-rule`
   */
  constructor(context: Omit<RuleContext, 'roles'>, notFound: unknown, policy: Policy) {
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
   * Takes note of a route, and compiles its rule. Returns whether it has one for each of its methods.
   *
   * @throws {AuthzError} `invalid-rule`
   */
  attach(instance: FastifyInstance, route: RouteOptions): boolean {
    const { config, method, url } = route
    noteRoute(instance)
    const known: KnownRoute = {
      place: Place.ofRoute(route),
      methods: [method].flat(),
      url,
      own: config?.spiffe,
      group: groupOf(instance),
    }
    const rules = this.#compileRoute(known, this.#policy)
    // A copy: routes may share one object of configuration, and an automatic HEAD route does.
    route.config = { ...config, [this.#key]: this.#routes.push(known) - 1 }
    this.#active.rules.push(rules)
    return rules !== null
  }

  /** The rule of a request; `null`: there is none. */
  of(request: FastifyRequest, { rules, notFound }: RuleSet): CompiledRule | null {
    const config: object = request.routeOptions.config
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- only `attach` knows the symbol
    const number = (config as Attached)[this.#key]
    if (number !== undefined) return ofMethod(rules[number], request.method)
    return request.is404 ? notFound : null
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
        uncovered.map(({ methods, url }) => ({ method: methods.join(', '), url })),
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
      Place.ofDocument(policy.source, 'routes').refuse('routes', key, 'is no route')
    }
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

function ofMethod(rules: RulesOfRoute | undefined, method: string): CompiledRule | null {
  if (rules === undefined || rules === null) return null
  return 'identify' in rules ? rules : (rules.get(method) ?? null)
}
