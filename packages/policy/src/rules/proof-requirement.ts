import type { CompiledProof } from '../principals/proof.ts'
import type { Requirement } from './requirement.ts'

/**
 * Which proofs a rule accepts, as a requirement before all others. It is asked at each call and never cached: one workload may come
 * with a certificate now, and with a token then.
 */
export function proofRequirement({ accepted, check }: CompiledProof): Requirement {
  return {
    engine: null,
    key: 'proof',
    text: accepted.join(' or '),
    sources: [],
    providers: [],
    maxAgeMs: 0,
    decide: (_call, caller) => check(caller),
    ask: (_call, caller) => check(caller),
  }
}
