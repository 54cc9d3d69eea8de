import type { SpiffeId } from '@fastify-spiffe/spiffe'
import { type RuleSet, rulesIn } from '../rules/rule-set.ts'

/** Whether a caller had something to call under one set of rules, and has nothing under another. */
export function hasLostAllAccess(id: SpiffeId, before: RuleSet, after: RuleSet): boolean {
  try {
    return isNamed(id, before) && !isNamed(id, after)
  } catch {
    // A matcher of the application fails. Requests of this caller are refused one by one.
    return false
  }
}

/** Whether any rule names the caller. A public route names no one in particular. */
function isNamed(id: SpiffeId, { rules }: RuleSet): boolean {
  return rules.some((rulesOfRoute) =>
    Array.from(rulesIn(rulesOfRoute)).some(({ identify }) => {
      const { allowed, reason } = identify(id, null)
      return allowed && reason !== 'public'
    }),
  )
}
