import type { Server } from 'node:https'
import type { FastifyInstance } from 'fastify'
import type { X509MaterialSource } from 'fastify-spiffe'
import { CHECKOUT, WEB } from './names.ts'
import { createService } from './service.ts'

/** The ledger. Checkout may read it on behalf of the web front end, and in no other case. */
export async function createLedger(source: X509MaterialSource): Promise<FastifyInstance<Server>> {
  const app = await createService(source, [])
  const rule = { allow: [CHECKOUT], onBehalfOf: [WEB] }
  app.get('/balance', { config: { spiffe: rule } }, ({ spiffeId, chain }) => ({
    balance: 42,
    caller: spiffeId,
    onBehalfOf: chain?.origin,
  }))
  return app
}
