import { logOnce } from '@fastify-spiffe/plugin-kit'
import { isCurrent, peerOf, type ConnectionPeer } from '@fastify-spiffe/tls'
import type { FastifyReply, FastifyRequest, onRequestHookHandler } from 'fastify'
import { PeerError } from '../errors.ts'
import { fillSlot } from '../request/slot.ts'
import { endConnection } from './end-connection.ts'

/**
 * The second of two gates: even if a connection should get past the acceptor, no request on it gets
 * past here. And a peer that was proven once is asked at each request whether that still holds.
 */
export const gate =
  (clock: () => number): onRequestHookHandler =>
  (request, reply, done) => {
    const peer = peerOf(request.raw.socket)
    const refusal = refusalOf(peer, clock)
    if (refusal === null) {
      fillSlot(request, peer ?? null)
      done()
      return
    }
    done(refuse(request, reply, refusal))
  }

type Refusal = 'not-accepted' | 'lapsed'

const refusalOf = (
  peer: ConnectionPeer | null | undefined,
  clock: () => number,
): Refusal | null => {
  if (peer === undefined) return 'not-accepted'
  return peer === null || isCurrent(peer, clock()) ? null : 'lapsed'
}

const refuse = (request: FastifyRequest, reply: FastifyReply, reason: Refusal): PeerError => {
  const error = PeerError.unauthenticated()
  endConnection(request, reply)
  request.log.info({ reason, statusCode: 401 }, 'request refused: the caller is not proven')
  logOnce(reply, error)
  return error
}
