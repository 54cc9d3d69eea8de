import { outermostOf } from '@fastify-spiffe/plugin-kit'
import type { FastifyInstance } from 'fastify'

// Registered symbols, so that several copies of this package in one process share them.
const REGISTERED = Symbol.for('@fastify-spiffe/peer.registered')
const KNOWN = Symbol.for('@fastify-spiffe/peer.known')

interface Carrier {
  readonly [REGISTERED]?: true
  readonly [KNOWN]?: true
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
  const isFirst = carrierOf(outermost)[KNOWN] !== true
  Object.defineProperty(outermost, KNOWN, { value: true, configurable: true })
  Object.defineProperty(instance, REGISTERED, { value: true })
  return isFirst
}
