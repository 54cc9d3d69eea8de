import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { once } from 'node:events'
import https from 'node:https'
import { text } from 'node:stream/consumers'
import { setTimeout as delay } from 'node:timers/promises'
import { Authority, type InProcessSource } from '@fastify-spiffe/authority'
import { peer } from '@fastify-spiffe/peer'
import { injectAs } from '@fastify-spiffe/peer/test-kit'
import { SpiffeId } from '@fastify-spiffe/spiffe'
import { spiffeServer } from '@fastify-spiffe/svid'
import { SvidAgent } from '@fastify-spiffe/tls'
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import Fastify, { type FastifyInstance } from 'fastify'
import {
  asItself,
  chain,
  chainHeaders,
  Chains,
  currentChain,
  currentPeer,
  type ChainHeaders,
} from './index.ts'
import { A, B, C } from './scene.test.helper.ts'

let authority: Authority
let [a, b, c]: InProcessSource[] = []

beforeAll(async () => {
  authority = await Authority.create({ trustDomain: 'example.org' })
  ;[a, b, c] = await Promise.all([A, B, C].map((id) => authority.source(id)))
})

afterAll(() => authority.close())

/** What A sends to B. */
function headersOfA(audience = B): ChainHeaders {
  return new Chains({ source: a!, handTo: [audience] }).headersFor(audience, null)
}

type App = FastifyInstance

/** An application of B, which hands tokens to C. */
async function appOfB(context = true): Promise<App> {
  const app = Fastify()
  await app.register(peer)
  await app.register(chain, { source: b!, handTo: [C], context })
  return app
}

describe('request.chain', () => {
  test('is null without the headers, and says who called with them', async () => {
    await using app = await appOfB()
    app.get('/', ({ chain: found, spiffeId }) => ({ origin: found?.origin ?? null, spiffeId }))
    const without = await injectAs(app, A, '/')
    expect(without.json()).toEqual({ origin: null, spiffeId: A })
    const options = { url: '/', headers: { ...headersOfA() } }
    expect((await injectAs(app, A, options)).json()).toEqual({ origin: A, spiffeId: A })
  })

  test('cannot be assigned, and leaves request.spiffeId what TLS has proven', async () => {
    await using app = await appOfB()
    app.get('/', (request) => {
      expect(() => Object.assign(request, { chain: null })).toThrow(TypeError)
      expect(Object.isFrozen(request.chain)).toBe(true)
      return String(request.spiffeId)
    })
    const answer = await injectAs(app, A, { url: '/', headers: { ...headersOfA() } })
    expect([answer.statusCode, answer.body]).toEqual([200, A])
  })
})

describe('a request whose chain is not valid', () => {
  test('gets 401 on each route, those that do not exist included, and the reason is in the log and on the channel', async () => {
    const lines: string[] = []
    const stream = { write: (line: string) => void lines.push(line) }
    await using app = Fastify({ logger: { stream } })
    await app.register(peer)
    await app.register(chain, { source: b! })
    let handled = 0
    app.get('/', () => `${++handled}`)
    const events: unknown[] = []
    const listener = (message: unknown): void => void events.push(message)
    subscribe('spiffe:chain:refused', listener)
    const headers = { ...headersOfA(C) }
    for (const url of ['/', '/nowhere']) {
      const answer = await injectAs(app, A, { url, headers })
      expect(answer.statusCode).toBe(401)
      expect(answer.json()).toMatchObject({ message: 'Unauthorized', code: 'unauthenticated' })
      expect(answer.body).not.toContain('audience')
    }
    unsubscribe('spiffe:chain:refused', listener)
    expect(handled).toBe(0)
    expect(events).toMatchObject([
      { code: 'chain-wrong-audience' },
      { code: 'chain-wrong-audience' },
    ])
    const refusals = lines.filter((line) => line.includes('chain-wrong-audience'))
    expect(refusals).toHaveLength(2)
    expect(lines.join('')).not.toContain(headers['svid-chain'])
  })

  test.each([
    ['one of the headers alone', (it: ChainHeaders) => ({ 'svid-chain': it['svid-chain'] })],
    ['an empty header', (it: ChainHeaders) => ({ ...it, 'svid-chain': '' })],
    ['two lines', (it: ChainHeaders) => ({ ...it, 'svid-chain': [it['svid-chain'], 'x'] })],
  ])('is one with %s', async (_, spoil) => {
    await using app = await appOfB()
    app.get('/', () => 'ok')
    const headers = spoil(headersOfA()) as Record<string, string>
    expect((await injectAs(app, A, { url: '/', headers })).statusCode).toBe(401)
  })

  test('is one of a caller without an identity, and of another workload than its last hop', async () => {
    await using app = await appOfB()
    app.get('/', () => 'ok')
    const options = { url: '/', headers: { ...headersOfA() } }
    expect((await injectAs(app, null, options)).statusCode).toBe(401)
    expect((await injectAs(app, C, options)).statusCode).toBe(401)
    expect((await injectAs(app, A, options)).statusCode).toBe(200)
  })
})

/** Serves on a real port, until disposed. */
class Service implements AsyncDisposable {
  readonly app: App
  readonly port: number

  private constructor(app: App, port: number) {
    this.app = app
    this.port = port
  }

  static async start(
    source: InProcessSource,
    handTo: readonly string[],
    routes: (app: App) => void,
  ): Promise<Service> {
    const app = Fastify(spiffeServer(source))
    await app.register(peer)
    await app.register(chain, { source, handTo })
    routes(app)
    const url = new URL(await app.listen({ host: '127.0.0.1', port: 0 }))
    return new Service(app, Number(url.port))
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.app.close()
  }
}

interface Call {
  readonly agent: SvidAgent
  readonly port: number
  readonly headers?: object
  readonly body?: string
}

async function call({ agent, port, headers = {}, body }: Call): Promise<[number, string]> {
  const method = body === undefined ? 'GET' : 'POST'
  const request = https.request({
    host: '127.0.0.1',
    port,
    agent,
    method,
    headers: { 'content-type': 'text/plain', ...headers },
  })
  request.end(body)
  const [response] = await once(request, 'response')
  return [response.statusCode, await text(response)]
}

describe('below a handler, on real connections,', () => {
  test('the caller and the chain are known after timers, promises, bodies and calls to other services', async () => {
    await using ledger = await Service.start(c!, [], (app) => {
      app.post('/', ({ chain: found }) => JSON.stringify([found?.origin, found?.caller]))
    })
    using agentOfB = new Agent(b!, C)
    await using checkout = await Service.start(b!, [C], (app) => {
      const options = { agent: agentOfB, port: ledger.port, body: 'x' }
      const deep = async (): Promise<string> => {
        await delay(1)
        await new Promise((resolve) => void setImmediate(resolve))
        const before = [String(currentPeer()?.spiffeId), String(currentChain()?.origin)]
        const answer = await call({ ...options, headers: chainHeaders(C) })
        return JSON.stringify([before, answer, String(currentChain()?.origin)])
      }
      app.get('/', deep)
      app.post('/', deep)
    })
    using agentOfA = new Agent(a!, B)
    const expected = [[A, A], [200, JSON.stringify([A, B])], A]
    for (const body of [undefined, 'a body', 'x'.repeat(200_000)]) {
      const options = { agent: agentOfA, port: checkout.port, headers: headersOfA() }
      const [status, answer] = await call({ ...options, ...(body !== undefined && { body }) })
      expect([status, JSON.parse(answer)]).toEqual([200, expected])
    }
    // On the same connection as before: nothing of the last request is left.
    const [, plain] = await call({ agent: agentOfA, port: checkout.port, body: 'x' })
    expect(JSON.parse(plain)).toEqual([
      [A, 'undefined'],
      [200, JSON.stringify([B, B])],
      'undefined',
    ])
  })

  test('calls of a handler that run at the same time do not see each other', async () => {
    await using checkout = await Service.start(b!, [C], (app) => {
      app.post('/', async ({ body }) => {
        await delay(Number(body))
        return String(currentChain()?.origin)
      })
    })
    using agentOfA = new Agent(a!, B)
    const calls = Array.from({ length: 10 }, (_, index) => ({
      agent: agentOfA,
      port: checkout.port,
      body: String(index % 3),
      ...(index % 2 === 0 && { headers: headersOfA() }),
    }))
    const answers = await Promise.all(calls.map(call))
    expect(answers.map(([, body]) => body)).toEqual(
      calls.map((_, index) => (index % 2 === 0 ? A : 'undefined')),
    )
  })
})

class Agent extends SvidAgent implements Disposable {
  constructor(source: InProcessSource, server: string) {
    super({ source, server, keepAlive: true })
  }

  [Symbol.dispose](): void {
    this.destroy()
  }
}

describe('asItself', () => {
  test('leaves the context, and the headers begin a chain of this service', async () => {
    await using app = await appOfB()
    app.get('/', async () => {
      const inside = await asItself(async () => {
        await delay(1)
        return [currentPeer(), currentChain(), chainHeaders(C)['svid-chain'].split(',').length]
      })
      return [
        ...inside,
        chainHeaders(C)['svid-chain'].split(',').length,
        String(currentChain()?.origin),
      ]
    })
    const answer = await injectAs(app, A, { url: '/', headers: { ...headersOfA() } })
    expect(answer.json()).toEqual([null, null, 1, 2, A])
  })

  test('outside of a request just calls', () => {
    expect(asItself(() => 1)).toBe(1)
  })
})

describe('outside of a request,', () => {
  test('there is no caller and no chain, and no headers', () => {
    expect([currentPeer(), currentChain()]).toEqual([null, null])
    expect(() => chainHeaders(C)).toThrow(expect.objectContaining({ code: 'no-context' }))
  })

  test('nor is there with the option context: false; request.chainHeaders works all the same', async () => {
    await using app = await appOfB(false)
    app.get('/', (request) => [
      currentPeer(),
      request.chainHeaders(SpiffeId.parse(C))['svid-chain'].split(',').length,
    ])
    const answer = await injectAs(app, A, { url: '/', headers: { ...headersOfA() } })
    expect(answer.json()).toEqual([null, 2])
  })

  test('an application makes headers for itself', async () => {
    await using app = await appOfB()
    expect(app.chains.headersFor(C, null)['svid-chain'].split(',')).toHaveLength(1)
  })
})

describe('the plugin does not start', () => {
  test.each([
    ['unknown-option', { handTo: [], hand: [] }],
    ['invalid-option', { context: 1 }],
    ['invalid-option', { handTo: ['spiffe://example.org/{'] }],
  ])('with the code %s for the options %j', async (code, options) => {
    await using app = Fastify()
    await app.register(peer)
    await expect(
      (async () => app.register(chain, { source: b!, ...options } as never))(),
    ).rejects.toMatchObject({ code })
  })

  test('twice, without peer, or after authz', async () => {
    await using app = await appOfB()
    await expect((async () => app.register(chain, { source: b! }))()).rejects.toMatchObject({
      code: 'already-registered',
    })
    await using bare = Fastify()
    await expect((async () => bare.register(chain, { source: b! }))()).rejects.toMatchObject({
      code: 'FST_ERR_PLUGIN_DEPENDENCY_NOT_REGISTERED',
    })
    await using late = Fastify()
    await late.register(peer)
    late.decorate('authz', {})
    await expect((async () => late.register(chain, { source: b! }))()).rejects.toMatchObject({
      code: 'registered-late',
    })
  })
})
