import type { ConnectionPeer } from '@fastify-spiffe/tls'
import type { FastifyInstance, FastifyRequest } from 'fastify'

const slot: unique symbol = Symbol('spiffe.peer')

type WithSlot = FastifyRequest & { [slot]?: ConnectionPeer | null }

/** Gives every request a slot for its peer, and getters for it that cannot be assigned. */
export function decorateRequests(fastify: FastifyInstance): void {
  fastify.decorateRequest(slot, null)
  fastify.decorateRequest('peer', {
    getter(): ConnectionPeer | null {
      return (this as WithSlot)[slot] ?? null
    },
  })
  fastify.decorateRequest('spiffeId', {
    getter() {
      return (this as WithSlot)[slot]?.spiffeId ?? null
    },
  })
}

/** Stores the peer on the request: the socket of an HTTP/2 session that has ended no longer has it. */
export function fillSlot(request: FastifyRequest, peer: ConnectionPeer | null): void {
  ;(request as WithSlot)[slot] = peer
}
