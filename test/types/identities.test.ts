import type { Peer } from '@fastify-spiffe/peer'
import type {
  Captures,
  RefusalCode,
  SpiffeId,
  TrustDomain,
  Verification,
  VerificationRefusal,
  X509Bundle,
  X509Svid,
} from '@fastify-spiffe/spiffe'
import type { ConnectionPeer } from '@fastify-spiffe/tls'
import type { X509Context } from '@fastify-spiffe/workload-api'
import { expect, test } from '@jest/globals'
import type { FastifyInstance, FastifyRequest } from 'fastify'
import { holds, type Equals } from './equals.ts'

test('a request has a SPIFFE ID and a peer, or null', () => {
  holds<Equals<FastifyRequest['spiffeId'], SpiffeId | null>>()
  holds<Equals<FastifyRequest['peer'], Peer | null>>()
  const handler = (request: FastifyRequest): void => {
    // @ts-expect-error -- may be null
    request.spiffeId.toString()
    // @ts-expect-error -- read-only
    request.spiffeId = null
  }
  expect(handler).toBeInstanceOf(Function)
})

test('an instance says who is served, and disconnects the peers that a predicate names', () => {
  holds<Equals<FastifyInstance['svid']['spiffeId'], SpiffeId | null>>()
  holds<
    Equals<Parameters<FastifyInstance['disconnectPeers']>, [(peer: ConnectionPeer) => boolean]>
  >()
  holds<Equals<ReturnType<FastifyInstance['disconnectPeers']>, number>>()
})

test('a SPIFFE ID is not a string, and a string is none', () => {
  const take = (_id: SpiffeId): void => {}
  // @ts-expect-error -- has to be parsed
  const call = (): void => take('spiffe://example.org/web')
  expect(call).toBeInstanceOf(Function)
  holds<Equals<SpiffeId['trustDomain'], TrustDomain>>()
  holds<Equals<SpiffeId['segments'], readonly string[]>>()
  holds<Equals<Captures, ReadonlyMap<string, string>>>()
})

test('a verification has an SVID where it is ok, and a code where it is not', () => {
  const read = (verification: Verification): SpiffeId | RefusalCode => {
    if (verification.ok) {
      // @ts-expect-error -- there is no code
      String(verification.code)
      return verification.svid.spiffeId
    }
    holds<Equals<typeof verification, VerificationRefusal>>()
    return verification.code
  }
  expect(read).toBeInstanceOf(Function)
})

test('results are read-only, and so are the lists in them', () => {
  const write = (
    peer: ConnectionPeer,
    svid: X509Svid,
    context: X509Context,
    bundle: X509Bundle,
  ) => {
    // @ts-expect-error -- read-only
    peer.notAfter = Infinity
    // @ts-expect-error -- read-only
    svid.certificates.pop()
    // @ts-expect-error -- read-only
    context.svids.push(svid)
    // @ts-expect-error -- read-only
    bundle.authorities.length = 0
  }
  expect(write).toBeInstanceOf(Function)
})
