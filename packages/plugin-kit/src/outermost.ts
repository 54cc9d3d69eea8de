import type { FastifyInstance } from 'fastify'

/**
 * The property of the outermost instance of an application in which `@fastify-spiffe/peer` is registered
 * anywhere. A registered symbol, so that several copies of the packages in one process share it.
 */
export const PEER_KNOWN: unique symbol = Symbol.for('@fastify-spiffe/peer.known')

/** The instance that the application began with. The instances within it inherit from it, by their prototypes. */
export function outermostOf(instance: FastifyInstance): FastifyInstance {
  const parent: unknown = Object.getPrototypeOf(instance)
  return isInstance(parent) ? outermostOf(parent) : instance
}

function isInstance(value: unknown): value is FastifyInstance {
  return typeof value === 'object' && value !== null && 'addHook' in value
}
