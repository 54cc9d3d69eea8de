import type { Explanation } from '../disagreement.ts'
import { form } from './form.ts'
import { nameConstraints } from './name-constraints.ts'
import { numbersAndPolicies } from './numbers-and-policies.ts'
import { pathRules } from './path-rules.ts'
import { pathSearch } from './path-search.ts'
import { spiffeRules } from './spiffe-rules.ts'

/** All of them. */
export const explanations: readonly Explanation[] = [
  ...spiffeRules,
  ...pathRules,
  ...form,
  ...pathSearch,
  ...nameConstraints,
  ...numbersAndPolicies,
]
