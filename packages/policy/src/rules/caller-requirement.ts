import type { Caller } from '../call.ts'
import type { Decision } from '../decision/decision.ts'
import type { Requirement } from './requirement.ts'

/** What a rule demands of its caller, at the key of the rule that demands it. Asked at each call, never cached. */
export function callerRequirement(
  key: NonNullable<Requirement['key']>,
  text: string,
  check: (caller: Caller) => Decision,
): Requirement {
  return {
    engine: null,
    key,
    text,
    sources: [],
    providers: [],
    maxAgeMs: 0,
    decide: (_call, caller) => check(caller),
    ask: (_call, caller) => check(caller),
  }
}
