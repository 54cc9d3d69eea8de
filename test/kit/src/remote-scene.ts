import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { peer } from '@fastify-spiffe/peer'
import { injectAs } from '@fastify-spiffe/peer/test-kit'
import { SpiffeId } from '@fastify-spiffe/spiffe'
import { afterEach, beforeEach } from '@jest/globals'
import Fastify, { type FastifyInstance } from 'fastify'
import { authz, type AuthzOptions, type EngineUse } from '@fastify-spiffe/authz'
import type { DecisionEvent, Engine, EngineRequest } from '@fastify-spiffe/policy'
import { engineOutcomes, EngineGuard } from '@fastify-spiffe/policy/internal'

export const WEB = 'spiffe://example.org/acme/web'
export const QUESTION: EngineRequest = {
  spiffeId: SpiffeId.parse(WEB),
  tenant: null,
  method: 'GET',
  route: '/orders/:id',
  attributes: {},
}

/** What a test of an engine over the network works with. */
export interface RemoteScene {
  /** Called after the test, the last one first. */
  readonly closers: (() => Promise<void> | void)[]
  /** Of the decisions that the test has brought about. */
  readonly reasons: () => readonly string[]
  /** An application whose route `/orders/:id` asks the engine. */
  readonly application: (
    engine: Engine,
    options?: AuthzOptions,
    use?: Partial<Exclude<EngineUse, string>>,
  ) => Promise<FastifyInstance>
}

/** Sets the scene for each test of the file that calls this. */
export function remoteScene(): RemoteScene {
  const closers: (() => Promise<void> | void)[] = []
  const events: DecisionEvent[] = []
  const listen = (event: unknown): void => {
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the channel's own type
    events.push(event as DecisionEvent)
  }
  beforeEach(() => {
    events.length = 0
    subscribe('spiffe:authz:decision', listen)
  })
  afterEach(async () => {
    unsubscribe('spiffe:authz:decision', listen)
    for (const close of closers.splice(0).toReversed()) await close()
  })
  return {
    closers,
    reasons: () => events.map(({ reason }) => reason),
    application: async (engine, options = {}, use = {}) => {
      const app = Fastify()
      closers.push(() => app.close())
      await app.register(peer)
      await app.register(authz, { engines: [engine], ...options })
      const spiffe = {
        allow: ['spiffe://example.org/{who}/*'],
        engines: [{ engine: engine.name, maxAgeMs: 0, ...use }],
      }
      const config = { spiffe }
      app.route({ method: ['GET', 'PUT'], url: '/orders/:id', config, handler: () => 'in' })
      return app
    },
  }
}

export async function statusOf(app: FastifyInstance, url = '/orders/7'): Promise<number> {
  return (await injectAs(app, WEB, url)).statusCode
}

export async function decide(engine: Engine): Promise<boolean> {
  return engine.decide(QUESTION, { signal: new AbortController().signal })
}

/** An engine behind its guard, whose clock stands until the test moves it. */
export function guarded(engine: Engine): {
  readonly guard: EngineGuard
  readonly time: { now: number }
  readonly ask: () => Promise<string>
} {
  const time = { now: 0 }
  const guard = new EngineGuard(engine, { clock: () => time.now, random: () => 0.5 })
  const outcomes = engineOutcomes(engine.name)
  return { guard, time, ask: async () => (await guard.query(QUESTION, 10_000, outcomes)).reason }
}
