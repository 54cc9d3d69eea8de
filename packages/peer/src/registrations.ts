import { outermostOf } from '@fastify-spiffe/plugin-kit'
import type { FastifyInstance } from 'fastify'

// By registered symbols, so that several copies of this package in one process know of each other.
const REGISTERED = Symbol.for('@fastify-spiffe/peer.registered')
const KNOWN = Symbol.for('@fastify-spiffe/peer.known')

interface Carrier {
  readonly [REGISTERED]?: true
  readonly [KNOWN]?: true
}

function carrierOf(value: object): Carrier {
  return value
}

/** Whether the plugin was registered on this instance, or on one around it, which it inherits from. */
export function isRegistered(instance: FastifyInstance): boolean {
  return carrierOf(instance)[REGISTERED] === true
}

/** Takes note that it was. Returns whether this is its first registration in the application. */
export function register(instance: FastifyInstance): boolean {
  const outermost = outermostOf(instance)
  const isFirst = carrierOf(outermost)[KNOWN] !== true
  Object.defineProperty(outermost, KNOWN, { value: true, configurable: true })
  Object.defineProperty(instance, REGISTERED, { value: true })
  return isFirst
}
