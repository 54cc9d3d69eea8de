import type { JwtClaims } from '@fastify-spiffe/spiffe/jwt-svid'
import type { ConnectionPeer } from '@fastify-spiffe/tls'

const METHOD = 'x5t#S256'

/**
 * Whether a token is bound to a certificate (RFC 8705 §3.1), and to that of this connection: `none` without `cnf`, `bound` with the
 * digest of the certificate, `broken` with anything else. Other methods of confirmation (RFC 7800 §3) are for proofs that are
 * not read here: a token with one is not for whoever bears it.
 */
export function bindingOf(
  { cnf }: JwtClaims,
  peer: ConnectionPeer | null,
): 'none' | 'bound' | 'broken' {
  if (cnf === undefined) return 'none'
  if (peer === null || typeof cnf !== 'object' || cnf === null) return 'broken'
  const members = Object.keys(cnf)
  if (members.length !== 1 || members[0] !== METHOD) return 'broken'
  return Reflect.get(cnf, METHOD) === digestOf(peer) ? 'bound' : 'broken'
}

/** RFC 8705 §3.1: the SHA-256 digest of the certificate in base64url. */
function digestOf({ fingerprint256 }: ConnectionPeer): string {
  return Buffer.from(fingerprint256.replaceAll(':', ''), 'hex').toString('base64url')
}
