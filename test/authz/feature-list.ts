/** What the authorization of services can be expected to do, as the known systems do it, or none of them. */
export const FEATURES = [
  'SPIFFE ID as first-class principal',
  'exact ID / one-of / trust-domain rules',
  'segment-aware path pattern (not string prefix)',
  'method + route matching',
  "rule bound to the router's own route (no URL string matching)",
  'request attributes / claims conditions',
  'deny overrides allow',
  'default deny with nothing configured',
  'refuses to start when a route has no rule',
  'typed rules (compile-time checked, inferred attributes)',
  'shadow / dry-run beside enforcement',
  'explain: which rule, why not the others',
  'per-rule / per-route metrics',
  'structured decision log',
  'masking of logged attributes',
  'policy version on every decision',
  'in-process evaluation in Node',
  'decision cache at the PEP',
  '… keyed by policy version, O(1) tenant flush',
  '… key derived from attributes actually read',
  'stampede protection at the PEP',
  'fail-closed default + visible fail-open',
  'timeout + breaker per engine',
  'batch decisions',
  'route table / OpenAPI export of policy',
  'policy test harness',
  'hot reload, atomic swap, last-known-good',
  'tenants as a first-class bound (quota, isolation)',
  'AuthZEN 1.0',
] as const

export type Feature = (typeof FEATURES)[number]

/** What is not there, and why. */
export const NOT_CLAIMED: ReadonlyMap<Feature, string> = new Map<Feature, string>([
  [
    'per-rule / per-route metrics',
    'The plugin counts questions to engines, and tells of each decision with route, reason and mode; it keeps no counters by route itself.',
  ],
  [
    'batch decisions',
    'A request is one decision, about one route and one caller. `explain()` answers thought-up questions one at a time.',
  ],
])
