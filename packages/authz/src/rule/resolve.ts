import type { Policy } from '../policy/policy.ts'
import type { Group } from './group.ts'
import type { Place } from './place.ts'

/** What is known of a route before its rule is compiled. */
export interface RouteFacts {
  readonly place: Place
  readonly url: string
  /** Its `config.spiffe`; `undefined` where it has none. */
  readonly own: unknown
  /** The rule of the instance that it was declared on. */
  readonly group: Group | null
}

/** A rule, and where it stands. */
export interface PlacedRule {
  readonly place: Place
  readonly rule: unknown
}

/** The rule of a route, and the rules around it, which can deny as well. */
export interface Resolution {
  readonly rule: PlacedRule
  readonly around: readonly PlacedRule[]
}

/**
 * Finds the rule of a route for one method. The nearest counts: the route's own, then that of the document for this
 * route, then that of its instance, then that of the document for the longest prefix. `null`: there is none.
 *
 * @throws {AuthzError} `invalid-rule` when the route has a rule of its own and one in the document
 */
export function resolveRule(route: RouteFacts, method: string, policy: Policy): Resolution | null {
  const { place, own } = route
  const ofDocument = policy.ofRoute(method, route.url)
  if (own !== undefined && ofDocument !== null) {
    const { root } = ofDocument
    return place.within(policy.source, root).refuse(root, own, 'stands in the code already')
  }
  const inherited = [...groupRules(route, policy), ...prefixRules(route, policy)]
  const single =
    own !== undefined
      ? placed(place, policy, own)
      : ofDocument && { place: place.within(policy.source, ofDocument.root), rule: ofDocument.rule }
  const [rule, ...around] = single === null ? inherited : [single, ...inherited]
  return rule === undefined ? null : { rule, around }
}

function groupRules({ place, group }: RouteFacts, policy: Policy): readonly PlacedRule[] {
  const rules: PlacedRule[] = []
  for (let each = group; each !== null; each = each.outer) {
    rules.push(placed(place.at(`protect("${each.prefix}")`), policy, each.rule))
  }
  return rules
}

function prefixRules({ place, url }: RouteFacts, policy: Policy): readonly PlacedRule[] {
  return policy
    .ofPrefixes(url)
    .map(({ root, rule }) => ({ place: place.within(policy.source, root), rule }))
}

/** A rule that code gives, or names. */
function placed(place: Place, policy: Policy, rule: unknown): PlacedRule {
  const { root, rule: found } = policy.resolve(place, rule)
  return { place: root === place.root ? place : place.within(policy.source, root), rule: found }
}
