import type { CallChain } from '@fastify-spiffe/plugin-kit'
import type { FastifyInstance, FastifyRequest } from 'fastify'

/**
 * The decorator of an instance on which `forwarded` is registered. A registered symbol, so that several copies of this package in
 * one process share it.
 */
export const FORWARDED: unique symbol = Symbol.for('@fastify-spiffe/chain.forwarded')

const slot: unique symbol = Symbol('spiffe.chain')

type WithSlot = FastifyRequest & { [slot]?: CallChain | null }

/** Gives every request a slot for its chain, and a getter for it that cannot be assigned. Safe to call twice. */
export function decorateChain(fastify: FastifyInstance): void {
  if (fastify.hasRequestDecorator('chain')) return
  fastify.decorateRequest(slot, null)
  fastify.decorateRequest('chain', {
    getter(): CallChain | null {
      return (this as WithSlot)[slot] ?? null
    },
  })
}

export function setChain(request: FastifyRequest, chain: CallChain | null): void {
  ;(request as WithSlot)[slot] = chain
}
