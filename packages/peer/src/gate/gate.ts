import { isCurrent, peerOf, type ConnectionPeer } from '@fastify-spiffe/tls'
import type { onRequestHookHandler } from 'fastify'
import { fillSlot } from '../request/slot.ts'
import { refuse } from './refuse.ts'

/**
 * Refuses requests without a valid proof, after the acceptor has rejected connections without one: it
 * refuses a request whose connection the acceptor has not verified, and checks at each request that the
 * proof of its peer is still valid.
 */
export function gate(clock: () => number): onRequestHookHandler {
  return (request, reply, done) => {
    const peer = peerOf(request.raw.socket)
    const reason = unprovenReasonOf(peer, clock)
    if (reason === null) {
      fillSlot(request, peer ?? null)
      done()
      return
    }
    done(refuse(request, reply, reason))
  }
}

export function unprovenReasonOf(
  peer: ConnectionPeer | null | undefined,
  clock: () => number,
): Parameters<typeof refuse>[2] | null {
  if (peer === undefined) return 'not-accepted'
  return peer === null || isCurrent(peer, clock()) ? null : 'lapsed'
}
