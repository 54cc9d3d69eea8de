import type { Peer } from '@fastify-spiffe/plugin-kit'
import type { FastifyInstance, FastifyRequest } from 'fastify'

const slot: unique symbol = Symbol('spiffe.peer')

type WithSlot = FastifyRequest & { [slot]?: Peer | null }

/** Gives every request a slot for its peer, and getters for it that cannot be assigned. */
export function decorateRequests(fastify: FastifyInstance): void {
  fastify.decorateRequest(slot, null)
  fastify.decorateRequest('peer', {
    getter(): Peer | null {
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
export function fillSlot(request: FastifyRequest, peer: Peer | null): void {
  ;(request as WithSlot)[slot] = peer
}
