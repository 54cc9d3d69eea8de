import type { TokenPeer } from '@fastify-spiffe/plugin-kit'
import type { VerifiedJwtSvid } from '@fastify-spiffe/spiffe/jwt-svid'

/** What a token says of its bearer. */
export type TokenProperties = Pick<TokenPeer, 'spiffeId' | 'notAfter' | 'audience' | 'claims'>

const peers = new WeakMap<VerifiedJwtSvid, TokenPeer>()

/** The peer that a verified token proves, the same object as long as the verdict on the token is remembered. */
export function tokenPeerOf(svid: VerifiedJwtSvid): TokenPeer {
  const known = peers.get(svid)
  if (known !== undefined) return known
  const { spiffeId, validUntil: notAfter, audience, claims } = svid
  const peer = makeTokenPeer({ spiffeId, notAfter, audience, claims })
  peers.set(svid, peer)
  return peer
}

export function makeTokenPeer({
  spiffeId,
  notAfter,
  audience,
  claims,
}: TokenProperties): TokenPeer {
  return Object.freeze<TokenPeer>({
    spiffeId,
    trustDomain: spiffeId.trustDomain,
    notAfter,
    proof: 'jwt-svid',
    audience,
    claims,
    fingerprint256: null,
    serialNumber: null,
    subjectAltNames: null,
  })
}
