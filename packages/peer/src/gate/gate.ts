import { logOnce } from '@fastify-spiffe/plugin-kit'
import { isCurrent, peerOf, type ConnectionPeer } from '@fastify-spiffe/tls'
import type { FastifyReply, FastifyRequest, onRequestHookHandler } from 'fastify'
import { PeerError } from '../errors.ts'
import { fillSlot } from '../request/slot.ts'
import { endConnection } from './end-connection.ts'

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

type UnprovenReason = 'not-accepted' | 'lapsed'

function unprovenReasonOf(
  peer: ConnectionPeer | null | undefined,
  clock: () => number,
): UnprovenReason | null {
  if (peer === undefined) return 'not-accepted'
  return peer === null || isCurrent(peer, clock()) ? null : 'lapsed'
}

function refuse(request: FastifyRequest, reply: FastifyReply, reason: UnprovenReason): PeerError {
  const error = PeerError.unauthenticated()
  endConnection(request, reply)
  request.log.info({ reason, statusCode: 401 }, 'request refused: the caller is not proven')
  logOnce(reply, error)
  return error
}
