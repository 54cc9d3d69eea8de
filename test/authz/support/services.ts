import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { authz, type AuthzOptions, type DecisionEvent } from '@fastify-spiffe/authz'
import { peer } from '@fastify-spiffe/peer'
import { injectAs } from '@fastify-spiffe/peer/test-kit'
import Fastify, { type FastifyInstance } from 'fastify'

export const WEB = 'spiffe://example.org/acme/web'
export const API = 'spiffe://example.org/acme/api'
export const GLOBEX = 'spiffe://example.org/globex/web'

const apps: FastifyInstance[] = []

/** Closes what the test has started. */
export async function closeServices(): Promise<void> {
  await Promise.all(apps.splice(0).map((app) => app.close()))
}

/** An application with both plugins, which ends with the test. */
export async function service(options: AuthzOptions = {}): Promise<FastifyInstance> {
  const app = await unguarded()
  await app.register(authz, options)
  return app
}

/** One that knows its callers and has no rules: where the naive ways stand. */
export async function unguarded(): Promise<FastifyInstance> {
  const app = Fastify()
  apps.push(app)
  await app.register(peer)
  return app
}

export async function statusOf(
  app: FastifyInstance,
  caller: string | null,
  url = '/',
  headers: Record<string, string> = {},
): Promise<number> {
  return (await injectAs(app, caller, { url, headers })).statusCode
}

/** All decisions that are made until it is disposed. */
export function decisions(): { readonly events: DecisionEvent[] } & Disposable {
  const events: DecisionEvent[] = []
  const listener = (event: unknown): void => void events.push(event as DecisionEvent)
  subscribe('spiffe:authz:decision', listener)
  return {
    events,
    [Symbol.dispose]: () => void unsubscribe('spiffe:authz:decision', listener),
  }
}
