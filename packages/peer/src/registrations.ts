import { outermostOf, PEER_KNOWN } from '@fastify-spiffe/plugin-kit'
import type { FastifyInstance } from 'fastify'

// A registered symbol, so that several copies of this package in one process share it.
const REGISTERED = Symbol.for('@fastify-spiffe/peer.registered')

interface Carrier {
  readonly [REGISTERED]?: true
  readonly [PEER_KNOWN]?: true
}

function carrierOf(value: object): Carrier {
  return value
}

/** Returns whether the plugin is registered on this instance, or on one that encloses it. */
export function isRegistered(instance: FastifyInstance): boolean {
  return carrierOf(instance)[REGISTERED] === true
}

/** Records the registration. Returns whether it is the first in the application. */
export function register(instance: FastifyInstance): boolean {
  const outermost = outermostOf(instance)
  const isFirst = carrierOf(outermost)[PEER_KNOWN] !== true
  Object.defineProperty(outermost, PEER_KNOWN, { value: true, configurable: true })
  Object.defineProperty(instance, REGISTERED, { value: true })
  return isFirst
}
