import type { Call } from '../call.ts'
import { describeRoute } from '../document/document.ts'
import type { Policy } from '../document/policy.ts'
import type { RoutePattern } from '../document/route-pattern.ts'
import { PolicyError } from '../errors.ts'
import { RuleLocation } from '../location.ts'
import { type CompiledRule, compileRule, type RuleContext } from './compile.ts'
import { type RouteFacts, resolveRule } from './resolve.ts'
import { ruleOfMethod, type RuleSet, type RulesOfRoute } from './rule-set.ts'
import type { ScopeRule } from './scope-rule.ts'
import { snapshotOf } from './snapshot.ts'

/** One method of a route. */
export interface RuledRoute {
  readonly method: string
  /** The URL pattern. */
  readonly url: string
  /** `null`: there is none. */
  readonly rule: CompiledRule | null
}

/** A route as the transport declares it. */
export interface RouteDeclaration {
  readonly methods: readonly string[]
  /** The URL pattern. */
  readonly url: string
  /** By which a policy document may name it as well. Default: none but `url`. */
  readonly documentUrl?: string
  readonly pattern: RoutePattern
  /** The rule that it carries itself; `undefined`: none. */
  readonly own?: unknown
  /** Where it carries it, for errors. Default `config.spiffe`. */
  readonly ownAt?: string
  /** The rule of the part of the application that it was declared in; `null`: none. */
  readonly scope: ScopeRule | null
}

/** A route of the table. */
export interface TableEntry {
  /** Its number in the table, by which {@link ruleAt} finds its rule. */
  readonly index: number
  /** Its own rule as it was when it was read; `undefined` where it has none. */
  readonly own: unknown
  /** Whether it has a rule for each of its methods. */
  readonly hasRule: boolean
}

/** Finds rules of calls: how, only the transport knows. */
export interface RuleFinder<C extends Call = Call> {
  /** The rule of a call; `null`: there is none. */
  ruleOf(call: C, rules: RuleSet): CompiledRule | null
}

interface KnownRoute extends RouteFacts {
  readonly methods: readonly string[]
}

/** The routes of one application, and the rules that the policy in force has for them. They are known by their numbers. */
export class RuleTable {
  readonly #context: Omit<RuleContext, 'roles'>
  readonly #notFound: unknown
  readonly #routes: KnownRoute[] = []
  #policy: Policy
  #active: { version: string; rules: RulesOfRoute[]; notFound: CompiledRule | null }

  /**
   * @param notFound - the rule of calls that match no route; `undefined`: there is none
   * @throws {PolicyError} `invalid-rule`
   */
  constructor(context: Omit<RuleContext, 'roles'>, notFound: unknown, policy: Policy) {
    this.#context = context
    this.#notFound = notFound
    this.#policy = policy
    this.#active = { version: policy.version, rules: [], notFound: this.#compileNotFound(policy) }
  }

  /** Whether calls can be made on behalf of others. */
  get hasChains(): boolean {
    return this.#context.reader.chain !== undefined
  }

  /** The rules that calls meet now. */
  get active(): RuleSet {
    return this.#active
  }

  /**
   * Adds a route, and compiles its rule.
   *
   * @throws {PolicyError} `invalid-rule`
   */
  add({
    methods,
    url,
    documentUrl = url,
    pattern,
    own,
    ownAt,
    scope,
  }: RouteDeclaration): TableEntry {
    const place = RuleLocation.ofRoute(methods, url, ownAt)
    const facts = { place, methods, url, documentUrl, pattern, scope }
    const rules = this.#compileRoute({ ...facts, own }, this.#policy)
    const index = this.#routes.length
    // What is compiled again for another document is the rule as it is now.
    const snapshot = snapshotOf(own)
    this.#routes.push({ ...facts, own: snapshot })
    this.#active.rules.push(rules)
    return { index, own: snapshot, hasRule: rules !== null }
  }

  /** Whether the policy document in force names a route under `routes`, for all of these methods. */
  isNamed(methods: readonly string[], url: string): boolean {
    return methods.every((method) => this.#policy.ofRoute(method, url) !== null)
  }

  /** The rule of one method of a route, by the number of the route. `null`: there is none. */
  ruleAt(index: number, method: string, { rules }: RuleSet): CompiledRule | null {
    return ruleOfMethod(rules[index], method)
  }

  /** Every method of every route, with its rule, in the order of declaration. */
  *list({ rules }: RuleSet): Iterable<RuledRoute> {
    for (const [index, { methods, url }] of this.#routes.entries()) {
      for (const method of methods) yield { method, url, rule: ruleOfMethod(rules[index], method) }
    }
  }

  /** One method of every route of a pattern: there are several where routes differ by a constraint alone, such as the host. */
  find(method: string, url: string, rules: RuleSet): readonly RuledRoute[] {
    return Array.from(this.list(rules)).filter((it) => it.method === method && it.url === url)
  }

  /**
   * Compiles the rules of all routes under a policy. Nothing that runs sees them before {@link use}.
   *
   * @param others - what they are compiled with in place of what the rules in force are
   * @throws {PolicyError} `invalid-rule`, `uncovered-routes`
   */
  compile(policy: Policy, others: Partial<RuleContext> = {}): RuleSet {
    this.assertKnown(policy)
    const context = { ...this.#contextOf(policy), ...others }
    const rules = this.#routes.map((route) => this.#compileRoute(route, policy, context))
    const uncovered = this.#routes.filter((_, index) => rules[index] === null)
    if (uncovered.length > 0) {
      throw PolicyError.uncovered(
        uncovered.map(({ methods, url }) => ({ method: methods.join(', '), url })),
      )
    }
    return { version: policy.version, rules, notFound: this.#compileNotFound(policy, context) }
  }

  /** Lets calls meet these rules from now on. */
  use(policy: Policy, rules: RuleSet): void {
    this.#policy = policy
    this.#active = { ...rules, rules: [...rules.rules] }
  }

  /**
   * A document that rules a route which does not exist was written for another application, or has a mistake.
   *
   * @throws {PolicyError} `invalid-rule`
   */
  assertKnown(policy: Policy): void {
    const known = new Set(
      this.#routes.flatMap(({ methods, url }) => methods.map((method) => `${method} ${url}`)),
    )
    for (const key of policy.routes) {
      if (known.has(key)) continue
      RuleLocation.ofDocument(policy.source, 'routes').refuse(
        `routes["${describeRoute(key)}"]`,
        key,
        'is not a route of the application',
      )
    }
  }

  #compileRoute(
    route: KnownRoute,
    policy: Policy,
    context: RuleContext = this.#contextOf(policy),
  ): RulesOfRoute {
    const byRoot = new Map<string, CompiledRule>()
    const byMethod = new Map<string, CompiledRule>()
    for (const method of route.methods) {
      const found = resolveRule(route, method, policy)
      if (found === null) return null
      const { root } = found.rule.place
      const rule = byRoot.get(root) ?? compileRule(found, context)
      byRoot.set(root, rule)
      byMethod.set(method, rule)
    }
    const [only, ...others] = byRoot.values()
    return others.length === 0 ? (only ?? null) : byMethod
  }

  #compileNotFound(
    policy: Policy,
    context: RuleContext = this.#contextOf(policy),
  ): CompiledRule | null {
    if (this.#notFound === undefined) return null
    const place = RuleLocation.ofNotFound()
    const { rule } = policy.resolve(place, this.#notFound)
    return compileRule({ rule: { place, rule }, enclosing: [] }, context)
  }

  #contextOf({ roles }: Policy): RuleContext {
    return { ...this.#context, roles }
  }
}
