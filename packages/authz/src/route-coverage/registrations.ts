import type { FastifyInstance } from 'fastify'

// By registered symbols, so that several copies of this package in one process know of each other.
const COUNT = Symbol.for('@fastify-spiffe/authz.registrations')
const GUARDED = Symbol.for('@fastify-spiffe/authz.guarded')
const REFUSES_OUTSIDE = Symbol.for('@fastify-spiffe/authz.refuses-outside')

interface Carrier {
  readonly [COUNT]?: number
  readonly [GUARDED]?: true
  readonly [REFUSES_OUTSIDE]?: true
}

function carrierOf(value: object): Carrier {
  return value
}

/** Counts the registrations of the plugin in an application. All of its instances share one server. */
export function countRegistration({ server }: FastifyInstance): number {
  const count = (carrierOf(server)[COUNT] ?? 0) + 1
  Object.defineProperty(server, COUNT, { value: count, configurable: true })
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
