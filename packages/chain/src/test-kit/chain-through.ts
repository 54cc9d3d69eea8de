import type { CallChain } from '@fastify-spiffe/plugin-kit'
import { SpiffeId, type X509MaterialSource } from '@fastify-spiffe/spiffe'
import { presentPeer } from '@fastify-spiffe/tls/test-kit'
import { Chains } from '../chains.ts'
import { ChainError } from '../errors.ts'
import type { ChainHeaders } from '../send/chain-sender.ts'
import { readAudience } from '../send/hand-to.ts'
import type { RelayedRequest } from '../wire/request-hash.ts'

/** Options of {@link chainThrough}. */
export interface ChainThroughOptions {
  /** The request, if a relay presents the headers. Default: none does. */
  readonly request?: RelayedRequest
  /** The time in ms since the epoch. Default `Date.now`. */
  readonly clock?: () => number
}

/**
 * Returns the headers that `audience` gets from the last of `hops`, who was called by the one before it, and so on: signed by
 * each with the SVID of its source, as in production. The last of them presents them, or a relay.
 *
 * For tests only: throws when `NODE_ENV` is `production`.
 *
 * @param hops - the sources of all who call, the origin first; `authority.source(id)` of `@fastify-spiffe/authority` makes them
 * @param audience - the SPIFFE ID of the receiver
 * @throws {@link ChainError} `test-kit-refused`; `no-svid`, `invalid-audience`, `chain-too-deep` and others of making headers; `invalid-chain`, if a
 *   hop refuses what the one before it sends
 */
export function chainThrough(
  hops: readonly X509MaterialSource[],
  audience: SpiffeId | string,
  { request, clock = Date.now }: ChainThroughOptions = {},
): ChainHeaders {
  if (process.env['NODE_ENV'] === 'production') {
    throw new ChainError(
      'test-kit-refused',
      'chainThrough does not work when NODE_ENV is production',
    )
  }
  let [chain, headers]: [CallChain | null, ChainHeaders | null] = [null, null]
  for (const [index, source] of hops.entries()) {
    const next = hops[index + 1]
    const to = next === undefined ? readAudience(audience) : idOf(next)
    const sender = new Chains({ source, handTo: [to], clock })
    headers = sender.headersFor(to, chain, next === undefined ? request : undefined)
    if (next !== undefined) chain = received({ headers, by: idOf(source), source: next, clock })
  }
  if (headers !== null) return headers
  throw new ChainError('no-svid', 'hops must be a list of sources, and not empty')
}

interface Call {
  readonly headers: ChainHeaders
  readonly by: SpiffeId
  readonly source: X509MaterialSource
  readonly clock: () => number
}

function received({ headers, by, source, clock }: Call): CallChain | null {
  const fields = { chain: [headers['svid-chain']], certificates: [headers['svid-chain-certs']] }
  const peer = presentPeer({}, { spiffeId: by })
  const verification = new Chains({ source, clock }).verify(fields, peer)
  if (verification.ok) return verification.chain
  throw new ChainError('invalid-chain', `a hop refuses the chain: ${verification.code}`)
}

function idOf({ svid }: X509MaterialSource): SpiffeId {
  if (svid !== null) return svid.spiffeId
  throw new ChainError('no-svid', 'the source of a hop has no SVID')
}
