import type { ConnectionPeer } from '@fastify-spiffe/tls'
import type { FastifyInstance, FastifyRequest } from 'fastify'

const slot: unique symbol = Symbol('spiffe.peer')

type WithSlot = FastifyRequest & { [slot]?: ConnectionPeer | null }

/** Gives every request its place for a peer, and the getters that show it. They cannot be assigned. */
export const decorateRequests = (fastify: FastifyInstance): void => {
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

/** Kept on the request: when an HTTP/2 session has ended, its socket no longer tells. */
export const fillSlot = (request: FastifyRequest, peer: ConnectionPeer | null): void => {
  ;(request as WithSlot)[slot] = peer
}
