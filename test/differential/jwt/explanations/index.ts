import type { Explanation } from '../disagreement.ts'
import { bundles } from './bundles.ts'
import { claims } from './claims.ts'
import { form } from './form.ts'
import { header } from './header.ts'
import { keys } from './keys.ts'

/** All of them. */
export const explanations: readonly Explanation[] = [
  ...header,
  ...claims,
  ...form,
  ...keys,
  ...bundles,
]
