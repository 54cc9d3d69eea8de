import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { authz, type DecisionEvent, type Engine } from '@fastify-spiffe/authz'
import { peer } from '@fastify-spiffe/peer'
import { injectAs } from '@fastify-spiffe/peer/test-kit'
import Fastify, { type FastifyInstance } from 'fastify'
import type { EngineStats } from '@fastify-spiffe/authz'
import { Relay } from '@fastify-spiffe-test/kit/relay'

export const WEB = 'spiffe://example.org/acme/web'
export const API = 'spiffe://example.org/acme/api'

/** What a request is for. `7` is what every policy here lets {@link WEB} read. */
export interface Request {
  readonly id?: string
  readonly as?: string
  readonly method?: 'GET' | 'PUT'
}

export type Outcome = readonly [status: number, reason: string | undefined]

/** An application whose route asks an engine, which it reaches by a relay. Nothing is remembered. */
export class Scene implements AsyncDisposable {
  readonly relay: Relay
  readonly #app: FastifyInstance
  readonly #events: DecisionEvent[] = []
  readonly #listen = (event: unknown): void => {
    this.#events.push(event as DecisionEvent)
  }

  private constructor(app: FastifyInstance, relay: Relay) {
    this.#app = app
    this.relay = relay
    subscribe('spiffe:authz:decision', this.#listen)
  }

  static async open(port: number, engineAt: (port: number) => Engine): Promise<Scene> {
    const relay = await Relay.open({ at: { port: 0 }, to: { port } })
    const engine = engineAt(relay.port)
    const app = Fastify()
    await app.register(peer)
    await app.register(authz, { engines: [engine] })
    const use = { engine: engine.name, reads: ['params.id'], maxAgeMs: 0 } as const
    const config = { spiffe: { anyAuthenticated: true, engines: [use] } } as const
    app.route({ method: ['GET', 'PUT'], url: '/orders/:id', config, handler: () => 'in' })
    await app.ready()
    return new Scene(app, relay)
  }

  /** What became of a request, and why. */
  async ask({ id = '7', as = WEB, method = 'GET' }: Request = {}): Promise<Outcome> {
    const { statusCode } = await injectAs(this.#app, as, { method, url: `/orders/${id}` })
    return [statusCode, this.#events.at(-1)?.reason]
  }

  get stats(): EngineStats {
    const [stats] = this.#app.authz.engines()
    if (stats === undefined) throw new Error('the application has no engine')
    return stats
  }

  async [Symbol.asyncDispose](): Promise<void> {
    unsubscribe('spiffe:authz:decision', this.#listen)
    await this.#app.close()
    await this.relay[Symbol.asyncDispose]()
  }
}
