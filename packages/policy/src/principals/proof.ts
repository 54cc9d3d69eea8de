import type { Caller, CallerProof } from '../call.ts'
import { allow, type Decision, deny } from '../decision/decision.ts'
import type { RuleLocation } from '../location.ts'

/** The proofs that a rule accepts. */
export interface CompiledProof {
  readonly accepted: readonly CallerProof[]
  readonly check: (caller: Caller) => Decision
}

const ALLOWED = allow('allowed')
const NOT_ALLOWED = deny('proof-not-allowed')

export function isProof(value: unknown): value is CallerProof {
  return value === 'x509-svid' || value === 'jwt-svid'
}

/** How a caller is proven; `null`: that is not known. */
export function proofOf({ proof }: Caller): CallerProof | null {
  return proof === 'test-kit' ? 'x509-svid' : (proof ?? null)
}

/**
 * Compiles `proof` of a rule. `null`: the rule accepts each proof.
 *
 * @throws {PolicyError} `invalid-rule`
 */
export function compileProof(
  place: RuleLocation,
  given: ReadonlyMap<string, unknown>,
): CompiledProof | null {
  if (!given.has('proof')) return null
  const [key, value] = [`${place.root}.proof`, given.get('proof')]
  const list: readonly unknown[] = Array.isArray(value) ? value : [value]
  if (list.length === 0) place.refuse(key, value, 'can never match: it is empty')
  const accepted = list.map((proof, index) =>
    isProof(proof)
      ? proof
      : place.refuse(
          Array.isArray(value) ? `${key}[${index}]` : key,
          proof,
          'must be x509-svid or jwt-svid',
        ),
  )
  const proofs = Object.freeze([...new Set(accepted)])
  return { accepted: proofs, check: checkOf(proofs) }
}

function checkOf(accepted: readonly CallerProof[]): CompiledProof['check'] {
  return (caller) => {
    const proof = proofOf(caller)
    return proof !== null && accepted.includes(proof) ? ALLOWED : NOT_ALLOWED
  }
}
