import type { SubjectPublicKey } from '../x509/public-key.ts'

/** The algorithms of JWS (RFC 7518 §3.4) that an X.509-SVID can sign with; its key decides. */
export type JwsAlgorithm = 'ES256' | 'ES384'

/** The hash of each algorithm, as `node:crypto` calls it. */
export const JWS_HASHES: Readonly<Record<JwsAlgorithm, string>> = {
  ES256: 'sha256',
  ES384: 'sha384',
}

/** The only algorithm that a key signs with; `null` for one that is neither on P-256 nor on P-384. */
export function jwsAlgorithmOf({ curve }: SubjectPublicKey): JwsAlgorithm | null {
  if (curve === 'P-256') return 'ES256'
  return curve === 'P-384' ? 'ES384' : null
}
