import { AUTHZ_REGISTRATIONS } from '@fastify-spiffe/plugin-kit'
import type { FastifyInstance } from 'fastify'

// Registered symbols, so that several copies of this package in one process share them.
const GUARDED = Symbol.for('@fastify-spiffe/authz.guarded')
const REFUSES_OUTSIDE = Symbol.for('@fastify-spiffe/authz.refuses-outside')

interface Carrier {
  readonly [AUTHZ_REGISTRATIONS]?: number
  readonly [GUARDED]?: true
  readonly [REFUSES_OUTSIDE]?: true
}

function carrierOf(value: object): Carrier {
  return value
}

/** Counts the registrations of the plugin in an application. All of its instances share one server. */
export function countRegistration({ server }: FastifyInstance): number {
  const count = (carrierOf(server)[AUTHZ_REGISTRATIONS] ?? 0) + 1
  Object.defineProperty(server, AUTHZ_REGISTRATIONS, { value: count, configurable: true })
  return count
}

/** Takes note that the plugin guards this instance, and with it those within, which inherit from it. */
export function markGuarded(instance: FastifyInstance): void {
  Object.defineProperty(instance, GUARDED, { value: true })
}

export function isGuarded(instance: FastifyInstance): boolean {
  return carrierOf(instance)[GUARDED] === true
}

/** Whether this is the first to ask, of all registrations in the application. */
export function isFirstOutside(outermost: FastifyInstance): boolean {
  if (Object.hasOwn(outermost, REFUSES_OUTSIDE)) return false
  Object.defineProperty(outermost, REFUSES_OUTSIDE, { value: true })
  return true
}
