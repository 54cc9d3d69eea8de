import type { Server } from 'node:https'
import type { FastifyInstance } from 'fastify'
import { SvidAgent, type X509MaterialSource } from 'fastify-spiffe'
import { asItself, chainHeaders } from 'fastify-spiffe/chain'
import { call } from './call.ts'
import { LEDGER, WEB } from './names.ts'
import { createService } from './service.ts'

/** Checkout asks the ledger for whoever called it. */
export async function createCheckout(
  source: X509MaterialSource,
  ledgerUrl: string,
): Promise<FastifyInstance<Server>> {
  const app = await createService(source, [LEDGER])
  // The agent attaches the chain of the request that is being handled.
  const agent = new SvidAgent({ source, server: LEDGER, chainHeaders })
  const readLedger = async (): Promise<string> =>
    `the ledger answers ${await call(agent, `${ledgerUrl}/balance`)}`
  const config = { spiffe: { allow: [WEB] } }
  app.get('/total', { config }, readLedger)
  // Nobody's call but its own: the ledger refuses it.
  app.get('/audit', { config }, () => asItself(readLedger))
  return app
}
