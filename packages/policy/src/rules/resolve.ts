import type { Policy, PolicyRule } from '../document/policy.ts'
import type { RoutePattern } from '../document/route-pattern.ts'
import type { ScopeRule } from './scope-rule.ts'
import type { RuleLocation } from '../location.ts'

/** What is known of a route before its rule is compiled. */
export interface RouteFacts {
  readonly place: RuleLocation
  readonly url: string
  /** By which a policy document names it, if not by its own. */
  readonly documentUrl: string
  readonly pattern: RoutePattern
  /** Its `config.spiffe`; `undefined` where it has none. */
  readonly own: unknown
  /** The rule of the part of the application that it was declared in. */
  readonly scope: ScopeRule | null
}

/** A rule, and where it is. */
export interface LocatedRule {
  readonly place: RuleLocation
  readonly rule: unknown
}

/** The rule of a route, and the rules around it, which can deny as well. */
export interface Resolution {
  readonly rule: LocatedRule
  readonly enclosing: readonly LocatedRule[]
}

/**
 * Finds the rule of a route for one method. The nearest counts: the route's own, then that of the document for this
 * route, then that of its instance, then that of the document for the longest prefix. `null`: there is none.
 *
 * @throws {PolicyError} `invalid-rule` when the route has a rule of its own and one in the document, and when it has the
 *   rule of a prefix alone and can match below another one
 */
export function resolveRule(route: RouteFacts, method: string, policy: Policy): Resolution | null {
  const { place, own } = route
  const ofDocument = policy.ofRoute(method, route.url) ?? policy.ofRoute(method, route.documentUrl)
  if (own !== undefined && ofDocument !== null) {
    const { root } = ofDocument
    return place.within(policy.source, root).refuse(root, own, 'has a rule in the code already')
  }
  const scopes = scopeRules(route, policy)
  const inherited = [...scopes, ...prefixRules(route, policy)]
  const single =
    own !== undefined
      ? located(place, policy, own)
      : ofDocument && { place: place.within(policy.source, ofDocument.root), rule: ofDocument.rule }
  const [rule, ...outer] = single === null ? inherited : [single, ...inherited]
  if (rule === undefined) return null
  const reached = reachedRules(route, policy)
  if (single === null && scopes.length === 0) assertReachesNone(rule, reached)
  // A caller that a prefix denies is denied by every route that can match below it, too.
  return { rule, enclosing: [...outer, ...reached] }
}

/** Of two rules that could be meant, neither is taken. */
function assertReachesNone({ place }: LocatedRule, [reached]: readonly LocatedRule[]): void {
  if (reached === undefined) return
  const why =
    `the route can match below ${reached.place.root} as well, and does not stand there. ` +
    'Declare it there, or give it a rule of its own'
  place.fail(place.root, why)
}

function scopeRules({ place, scope }: RouteFacts, policy: Policy): readonly LocatedRule[] {
  const rules: LocatedRule[] = []
  for (let each = scope; each !== null; each = each.outer) {
    const { ruleAt = `protect("${each.prefix}")` } = each
    rules.push(located(place.at(ruleAt), policy, each.rule))
  }
  return rules
}

function prefixRules({ place, pattern }: RouteFacts, policy: Policy): readonly LocatedRule[] {
  return within(place, policy, policy.ofPrefixes(pattern))
}

function reachedRules({ place, pattern }: RouteFacts, policy: Policy): readonly LocatedRule[] {
  return within(place, policy, policy.ofReachedPrefixes(pattern))
}

function within(
  place: RuleLocation,
  policy: Policy,
  rules: readonly PolicyRule[],
): readonly LocatedRule[] {
  return rules.map(({ root, rule }) => ({ place: place.within(policy.source, root), rule }))
}

/** A rule that code gives, or names. */
function located(place: RuleLocation, policy: Policy, rule: unknown): LocatedRule {
  const { root, rule: found } = policy.resolve(place, rule)
  return { place: root === place.root ? place : place.within(policy.source, root), rule: found }
}
