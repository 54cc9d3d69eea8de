import type { Peer } from '@fastify-spiffe/plugin-kit'
import type { SpiffeId } from '@fastify-spiffe/spiffe'

/**
 * The SPIFFE ID that a certificate has proven: the key of that certificate is what chains are about. `null` for a caller that a
 * token has proven: whoever has seen the token could continue a chain in its name.
 */
export function certifiedIdOf(peer: Peer | null): SpiffeId | null {
  return peer === null || peer.proof === 'jwt-svid' ? null : peer.spiffeId
}
