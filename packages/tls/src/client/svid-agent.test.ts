import { once } from 'node:events'
import type { ClientRequest, IncomingMessage, ServerResponse } from 'node:http'
import https, { type RequestOptions } from 'node:https'
import net from 'node:net'
import { text } from 'node:stream/consumers'
import { mintRootCa, type MintedCa } from '@fastify-spiffe/authority'
import { matchAny, BundleSet, matchId, type X509MaterialSource } from '@fastify-spiffe/spiffe'
import { beforeAll, describe, expect, test } from '@jest/globals'
import { SvidAgent, TlsError } from '../index.ts'
import { bundlesOf, HeldSource, Loopback, portOf } from '../loopback.test.helper.ts'

const SERVER_ID = 'spiffe://example.org/server'
const WEB_ID = 'spiffe://example.org/acme/web'
const HOST = '127.0.0.1'

let authority: MintedCa
let server: HeldSource
let web: HeldSource

beforeAll(async () => {
  authority = await mintRootCa('example.org')
  const bundles = bundlesOf(authority)
  server = new HeldSource((await authority.mint(SERVER_ID)).toX509Svid(), bundles)
  web = new HeldSource((await authority.mint(WEB_ID)).toX509Svid(), bundles)
})

async function errorOf(request: ClientRequest): Promise<NodeJS.ErrnoException> {
  const [error] = await once(request, 'error')
  return error
}

function codesOf(requests: readonly ClientRequest[]): Promise<unknown[]> {
  return Promise.all(requests.map(async (request) => (await errorOf(request)).code))
}

async function answerOf(request: ClientRequest): Promise<string> {
  const [response] = (await once(request, 'response')) as [IncomingMessage]
  return text(response)
}

function nextTurn(): Promise<void> {
  return new Promise((resolve) => {
    setImmediate(resolve)
  })
}

function idleIn(agent: SvidAgent): number {
  return Object.values(agent.freeSockets).flat().length
}

async function expectIdle(agent: SvidAgent): Promise<void> {
  // A socket leaves the books when it has closed, which may be after its request was told.
  while (Object.keys(agent.sockets).length > 0) await nextTurn()
  expect(agent.requests).toEqual({})
  expect(Reflect.get(agent, 'totalSocketCount')).toBe(idleIn(agent))
}

/** Accepts connections, and says nothing. */
class Silence implements AsyncDisposable {
  readonly #server = net.createServer()
  readonly #sockets = new Set<net.Socket>()
  accepted = 0

  static async serve(): Promise<Silence> {
    const silence = new Silence()
    silence.#server.on('connection', (socket) => {
      silence.accepted++
      silence.#sockets.add(socket.on('error', () => undefined).resume())
      socket.once('close', () => silence.#sockets.delete(socket))
    })
    silence.#server.listen(0, HOST)
    await once(silence.#server, 'listening')
    return silence
  }

  get port(): number {
    return portOf(this.#server)
  }

  async connection(): Promise<net.Socket> {
    const [socket] = (await once(this.#server, 'connection')) as [net.Socket]
    return socket
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.#sockets) socket.destroy()
    const closed = once(this.#server, 'close')
    this.#server.close()
    await closed
  }
}

/** A port on which nobody listens: that of tcpmux, which none but root could open. */
const CLOSED_PORT = 1

function get(agent: SvidAgent, port: number, options: RequestOptions = {}): ClientRequest {
  return https.get({ host: HOST, port, agent, ...options })
}

function throwing(): X509MaterialSource {
  return Object.defineProperty(new HeldSource(null, BundleSet.empty), 'svid', {
    get: () => {
      throw new Error('broken')
    },
  })
}

describe('requests that wait for a place', () => {
  test.each([1, 2])(
    'each get the error of a connection of their own when none comes about, of %i places',
    async (maxSockets) => {
      const agent = new SvidAgent({ source: web, server: matchAny(), maxSockets })
      const requests = Array.from({ length: 5 }, () => get(agent, CLOSED_PORT))
      const errors = await Promise.all(requests.map(errorOf))
      expect(errors).toEqual(errors.map(() => expect.any(TlsError)))
      expect(errors.map(({ code }) => code)).toEqual(errors.map(() => 'connect-failed'))
      expect(new Set(errors).size).toBe(5)
      await expectIdle(agent)
    },
  )

  test('get their errors in turn when the source loses its SVID, throws, or a server proves another ID', async () => {
    await using loopback = await Loopback.serve(server)
    const lost = new HeldSource(null, web.bundles)
    for (const [source, wanted, code] of [
      [lost, SERVER_ID, 'no-svid'],
      [throwing(), SERVER_ID, 'no-svid'],
      [web, WEB_ID, 'server-not-allowed'],
    ] as const) {
      for (const keepAlive of [true, false]) {
        const options = { source, server: matchId(wanted), maxSockets: 1, keepAlive }
        const agent = new SvidAgent(options)
        const requests = Array.from({ length: 4 }, () => get(agent, loopback.port))
        expect(await codesOf(requests)).toEqual(requests.map(() => code))
        await expectIdle(agent)
      }
    }
    expect(loopback.requests).toBe(0)
  })

  test('are served once connecting works again', async () => {
    await using loopback = await Loopback.serve(server)
    const source = new HeldSource(null, web.bundles)
    const agent = new SvidAgent({ source, server: matchAny(), maxSockets: 1, keepAlive: true })
    const first = get(agent, loopback.port)
    const waiting = [get(agent, loopback.port), get(agent, loopback.port)]
    const answers = Promise.all(waiting.map(answerOf))
    first.once('error', () => source.put({ svid: web.svid }))
    expect((await errorOf(first)).code).toBe('no-svid')
    expect(await answers).toEqual([WEB_ID, WEB_ID])
    await expectIdle(agent)
    agent.destroy()
  })

  test('of another origin go on when the connection that held the last place fails', async () => {
    await using loopback = await Loopback.serve(server)
    await using silence = await Silence.serve()
    const agent = new SvidAgent({ source: web, server: matchAny(), maxTotalSockets: 1 })
    const accepted = silence.connection()
    const first = get(agent, silence.port)
    const failed = errorOf(first)
    const second = answerOf(get(agent, loopback.port))
    ;(await accepted).destroy()
    expect((await failed).code).toBe('connect-failed')
    expect(await second).toBe(WEB_ID)
    await expectIdle(agent)
  })

  test('open no more connections than there are places', async () => {
    await using loopback = await Loopback.serve(server)
    const agent = new SvidAgent({ source: web, server: matchAny(), maxSockets: 2, keepAlive: true })
    const answers = await Promise.all(
      Array.from({ length: 10 }, () => answerOf(get(agent, loopback.port))),
    )
    expect(answers).toEqual(answers.map(() => WEB_ID))
    expect(loopback.identity.counters.accepted).toBe(2)
    agent.destroy()
  })
})

describe('while a connection is being made', () => {
  test('a signal ends its request and the connection', async () => {
    await using silence = await Silence.serve()
    const agent = new SvidAgent({ source: web, server: matchAny() })
    const stop = new AbortController()
    const accepted = silence.connection()
    const failed = errorOf(get(agent, silence.port, { signal: stop.signal }))
    const closed = once(await accepted, 'close')
    stop.abort()
    expect((await failed).name).toBe('AbortError')
    await closed
    await expectIdle(agent)
  })

  test.each([true, false])(
    'destroy() of a request fails it with the error given, and the next one goes on (keepAlive %p)',
    async (keepAlive) => {
      await using silence = await Silence.serve()
      const agent = new SvidAgent({ source: web, server: matchAny(), maxSockets: 1, keepAlive })
      const accepted = silence.connection()
      const first = get(agent, silence.port)
      const second = get(agent, silence.port)
      await accepted
      const next = silence.connection()
      const reason = new Error('enough')
      const failed = errorOf(first)
      first.destroy(reason)
      expect(await failed).toBe(reason)
      await next
      const ended = errorOf(second)
      second.destroy()
      expect((await ended).code).toBe('ECONNRESET')
      await expectIdle(agent)
    },
  )

  test.each<[string, object, RequestOptions]>([
    ['of the agent', { timeout: 20 }, {}],
    ['of a request', {}, { timeout: 20 }],
  ])('a timeout %s is told', async (_whose, pool, options) => {
    await using silence = await Silence.serve()
    const agent = new SvidAgent({ source: web, server: matchAny(), ...pool })
    const request = get(agent, silence.port, options)
    await once(request, 'timeout')
    const failed = errorOf(request)
    request.destroy()
    expect((await failed).code).toBe('ECONNRESET')
  })

  test('destroy() of the agent ends the connection', async () => {
    await using silence = await Silence.serve()
    const agent = new SvidAgent({ source: web, server: matchAny() })
    const accepted = silence.connection()
    const failed = errorOf(get(agent, silence.port))
    const closed = once(await accepted, 'close')
    agent.destroy()
    expect((await failed).code).toBe('ECONNRESET')
    await closed
    await expectIdle(agent)
  })

  test('timeoutMs ends each of the requests that queue for it', async () => {
    await using silence = await Silence.serve()
    const agent = new SvidAgent({ source: web, server: matchAny(), maxSockets: 1, timeoutMs: 20 })
    const requests = [get(agent, silence.port), get(agent, silence.port)]
    expect(await codesOf(requests)).toEqual(['connect-timeout', 'connect-timeout'])
    await expectIdle(agent)
  })

  test.each([true, false])(
    'a request that is given up before it has its connection leaves nothing behind (keepAlive %p)',
    async (keepAlive) => {
      await using loopback = await Loopback.serve(server)
      const lost = new HeldSource(null, web.bundles)
      // Without an SVID both are true, and the first to be found is told.
      for (const [source, code] of [
        [web, 'ABORT_ERR'],
        [lost, 'no-svid'],
        [throwing(), 'no-svid'],
      ] as const) {
        const agent = new SvidAgent({ source, server: matchAny(), keepAlive, maxSockets: 1 })
        const failed = errorOf(get(agent, loopback.port, { signal: AbortSignal.abort() }))
        const queued = errorOf(get(agent, loopback.port, { signal: AbortSignal.abort() }))
        expect((await failed).code).toBe(code)
        expect((await queued).code).toBe(code)
        await expectIdle(agent)
        agent.destroy()
      }
      expect(loopback.requests).toBe(0)
    },
  )
})

test('an agent that cannot connect to a socket path or an impossible address tells the request', async () => {
  const agent = new SvidAgent({ source: web, server: matchAny() })
  const bySocket = get(agent, 1, { socketPath: '/nowhere' })
  expect((await errorOf(bySocket)).code).toBe('invalid-option')
  const fromNowhere = get(agent, 1, { localAddress: 'no address' })
  expect((await errorOf(fromNowhere)).code).toBe('connect-failed')
})

test('a timeout of the agent is reported while a server takes its time to answer', async () => {
  await using loopback = await Loopback.serve(server)
  loopback.server.removeAllListeners('request')
  const agent = new SvidAgent({ source: web, server: matchAny(), timeout: 50 })
  const request = get(agent, loopback.port)
  await once(request, 'timeout')
  const failed = errorOf(request)
  request.destroy()
  expect((await failed).code).toBe('ECONNRESET')
})

test('no byte of a body that waits to be sent reaches a server before its proof', async () => {
  await using loopback = await Loopback.serve(server)
  const raw: Promise<unknown>[] = []
  loopback.server.on('secureConnection', (socket: net.Socket) => {
    raw.push(text(socket).catch(() => ''))
  })
  for (const size of [1, 100_000]) {
    const agent = new SvidAgent({ source: web, server: matchId(WEB_ID) })
    const request = https.request({ host: HOST, port: loopback.port, agent, method: 'POST' })
    request.write(Buffer.alloc(size))
    request.end()
    expect((await errorOf(request)).code).toBe('server-not-allowed')
  }
  expect((await Promise.all(raw)).join('')).toBe('')
  expect(loopback.requests).toBe(0)
})

test.each([
  ['lifo', 0],
  ['lifo', 1],
  ['fifo', 0],
  ['fifo', 1],
] as const)(
  'a stale connection in the pool is never handed out (%s, good one at %i)',
  async (scheduling, good) => {
    await using loopback = await Loopback.serve(server)
    loopback.server.removeAllListeners('request')
    const held: ServerResponse[] = []
    const svids = [web.svid!, (await authority.mint(WEB_ID)).toX509Svid()]
    const source = new HeldSource(null, web.bundles)
    const agent = new SvidAgent({ source, server: matchAny(), keepAlive: true, scheduling })
    const answers: Promise<string>[] = []
    for (const svid of svids) {
      source.put({ svid })
      const arrived = once(loopback.server, 'request')
      answers.push(answerOf(get(agent, loopback.port)))
      held.push((await arrived)[1])
    }
    for (const [index, svid] of svids.entries()) {
      source.put({ svid })
      held[index]!.end('done')
      await answers[index]
      while (idleIn(agent) <= index) await nextTurn()
    }
    source.put({ svid: svids[good]! })
    loopback.server.on('request', (_request: IncomingMessage, response: ServerResponse) => {
      response.end('again')
    })
    expect(await answerOf(get(agent, loopback.port))).toBe('again')
    expect(loopback.identity.counters.accepted).toBe(2)
    agent.destroy()
  },
)
