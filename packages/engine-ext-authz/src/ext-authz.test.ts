import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { createServer, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { injectAs } from '@fastify-spiffe/peer/test-kit'
import { Metadata, Server, ServerCredentials, credentials, status } from '@grpc/grpc-js'
import type { sendUnaryData, ServerUnaryCall } from '@grpc/grpc-js'
import { describe, expect, test } from '@jest/globals'
import {
  decide,
  guarded,
  QUESTION,
  remoteScene,
  statusOf,
  WEB,
} from '@fastify-spiffe-test/kit/remote-scene'
import { extAuthz, type ExtAuthzOptions } from './index.ts'
import type { Engine } from '@fastify-spiffe/policy'
import { checkMethod } from './definition.ts'

const { closers, reasons, application } = remoteScene()

type Reply = sendUnaryData<Buffer>
type Respond = (reply: Reply, call: ServerUnaryCall<object, Buffer>) => void

/** A length-delimited field: its number, and what is in it. */
const field = (number: number, ...content: readonly Buffer[]): Buffer => {
  const body = Buffer.concat(content)
  return Buffer.concat([Buffer.from([(number << 3) | 2, body.length]), body])
}
const code = (value: number): Buffer => Buffer.from([0x08, value])
const STATUS = 1
const DENIED = 2
const OK = 3
const ERROR = 5
const answer =
  (...bytes: readonly Buffer[]): Respond =>
  (reply) =>
    reply(null, Buffer.concat(bytes))
const ALLOW = answer(field(STATUS), field(OK))

/** A real authorization service, which answers with whatever bytes the test says. */
class Service {
  readonly asked: object[] = []
  respond: Respond
  readonly server: Server = new Server()
  target = ''

  constructor(respond: Respond) {
    this.respond = respond
    const { path, requestDeserialize, requestSerialize } = checkMethod()
    const definition = {
      path,
      requestStream: false as const,
      responseStream: false as const,
      requestSerialize,
      requestDeserialize,
      responseSerialize: (bytes: Buffer) => bytes,
      responseDeserialize: (bytes: Buffer) => bytes,
    }
    this.server.addService(
      { Check: definition },
      {
        Check: (call: ServerUnaryCall<object, Buffer>, reply: Reply) => {
          this.asked.push(call.request)
          this.respond(reply, call)
        },
      },
    )
  }

  static async start(respond: Respond = ALLOW, at = '127.0.0.1:0'): Promise<Service> {
    const service = new Service(respond)
    const port = await new Promise<number>((resolve, reject) => {
      service.server.bindAsync(at, ServerCredentials.createInsecure(), (error, bound) =>
        error === null ? resolve(bound) : reject(error),
      )
    })
    service.target = at.replace(/:0$/, `:${port}`)
    closers.push(() => service.server.forceShutdown())
    return service
  }
}

function engineFor(target: string, more: Partial<ExtAuthzOptions> = {}): Engine {
  const engine = extAuthz({ target, timeoutMs: 10_000, ...more })
  closers.push(() => engine.close?.())
  return engine
}

describe('ext-authz lets in', () => {
  test.each<[string, Respond]>([
    ['an OK with its arm', ALLOW],
    ['an OK alone', answer(field(STATUS))],
    ['an OK that says so', answer(field(STATUS, code(0)))],
    ['the arm alone', answer(field(OK))],
    [
      'an OK that would change the request, which it may not',
      answer(
        field(STATUS),
        // headers: one HeaderValueOption with a HeaderValue; headers_to_remove; dynamic_metadata
        field(OK, field(2, field(1, field(1, Buffer.from('x-admin')), field(2, Buffer.from('1'))))),
        field(4),
      ),
    ],
  ])('by %s', async (_, respond) => {
    const service = await Service.start(respond)
    const app = await application(engineFor(service.target))
    expect(await statusOf(app)).toBe(200)
    expect(app.authz.engines()).toMatchObject([{ allowed: 1, denied: 0, failed: 0 }])
  })
})

describe('ext-authz refuses', () => {
  test.each<[string, Respond]>([
    ['a denied status with its arm', answer(field(STATUS, code(7)), field(DENIED))],
    ['a denied status alone', answer(field(STATUS, code(7)))],
    ['any status that is not OK', answer(field(STATUS, code(16)))],
    ['a status that there is not', answer(field(STATUS, code(99)))],
    ['the denied arm alone', answer(field(DENIED))],
  ])('by %s', async (_, respond) => {
    const service = await Service.start(respond)
    const app = await application(engineFor(service.target))
    expect(await statusOf(app)).toBe(403)
    expect(reasons()).toEqual(['engine-denied'])
    expect(app.authz.engines()).toMatchObject([{ allowed: 0, denied: 1, failed: 0 }])
  })
})

describe('ext-authz takes for a failure', () => {
  test.each<[string, string, Respond]>([
    ['an answer of nothing', 'invalid-answer', answer()],
    ['an answer of unknown fields', 'invalid-answer', answer(field(14, field(1)))],
    ['both arms', 'invalid-answer', answer(field(STATUS), field(DENIED), field(OK))],
    ['both arms, the other way round', 'invalid-answer', answer(field(OK), field(DENIED))],
    ['an OK status with the denied arm', 'invalid-answer', answer(field(STATUS), field(DENIED))],
    [
      'a denied status with the OK arm',
      'invalid-answer',
      answer(field(STATUS, code(7)), field(OK)),
    ],
    ['an error of its own', 'invalid-answer', answer(field(ERROR))],
    ['an error beside an OK', 'invalid-answer', answer(field(STATUS), field(OK), field(ERROR))],
    ['bytes that are no message', 'invalid-answer', answer(Buffer.from([0x0a, 0x7f, 0x01]))],
    ['a status cut short', 'invalid-answer', answer(Buffer.from([0x0a]))],
    [
      'an OK that is too long',
      'invalid-answer',
      answer(
        ...ok(),
        Buffer.concat([Buffer.from([0x7a, 0x80, 0x80, 0x08]), Buffer.alloc(131_072)]),
      ),
    ],
    ...[
      status.CANCELLED,
      status.UNKNOWN,
      status.INVALID_ARGUMENT,
      status.NOT_FOUND,
      status.PERMISSION_DENIED,
      status.RESOURCE_EXHAUSTED,
      status.UNIMPLEMENTED,
      status.INTERNAL,
      status.UNAVAILABLE,
      status.UNAUTHENTICATED,
    ].map((it): [string, string, Respond] => [
      `the status ${status[it]}`,
      it === status.UNAVAILABLE || it === status.CANCELLED
        ? 'engine-unreachable'
        : 'invalid-answer',
      (reply) => reply({ code: it, details: 'a test', metadata: new Metadata() }),
    ]),
  ])('%s', async (_, expected, wrong) => {
    const service = await Service.start(wrong)
    const engine = engineFor(service.target)
    const app = await application(engine)
    await expect(decide(engine)).rejects.toMatchObject({ name: 'PolicyError', code: expected })
    expect(await statusOf(app)).toBe(403)
    expect(reasons()).toEqual(['engine-failed'])
    expect(service.asked.length).toBe(2)
    expect(app.authz.engines()).toMatchObject([{ failed: 1, allowed: 0, denied: 0, inFlight: 0 }])
    service.respond = ALLOW
    expect(await statusOf(app)).toBe(200)
  })

  test.each<[string, (socket: Socket) => void]>([
    ['a cut connection', (socket) => socket.destroy()],
    ['what is not HTTP/2', (socket) => socket.end('HTTP/1.1 200 OK\r\n\r\n')],
  ])('%s', async (_, meet) => {
    const server = createServer((socket) => {
      // Without an end of what the client says the connection would stay half open.
      socket.on('error', () => undefined).resume()
      meet(socket)
    }).listen(0, '127.0.0.1')
    await once(server, 'listening')
    closers.push(() => void server.close())
    const address = server.address()
    const port = typeof address === 'object' ? address?.port : 0
    await expect(decide(engineFor(`127.0.0.1:${port}`))).rejects.toMatchObject({
      code: 'engine-unreachable',
    })
  })
})

function ok(): readonly Buffer[] {
  return [field(STATUS), field(OK)]
}

test('an engine connects before it is asked, so that the first question need not wait', async () => {
  const server = createServer((socket) => socket.destroy()).listen(0, '127.0.0.1')
  await once(server, 'listening')
  closers.push(() => void server.close())
  const address = server.address()
  const connected = once(server, 'connection')
  engineFor(`127.0.0.1:${typeof address === 'object' ? address?.port : 0}`)
  await connected
})

test('a service that never answers is given up at the deadline, and the call is cancelled', async () => {
  const service = await Service.start()
  const app = await application(engineFor(service.target, { timeoutMs: 1000 }))
  expect(await statusOf(app)).toBe(200)
  const cancelled = new Promise((resolve) => {
    service.respond = (_reply, call) => call.once('cancelled', resolve)
  })
  expect(await statusOf(app)).toBe(403)
  await cancelled
  expect(reasons()).toEqual(['allowed', 'engine-timeout'])
  const [stats] = app.authz.engines()
  expect((stats?.timedOut ?? 0) + (stats?.lagged ?? 0)).toBe(1)
  service.respond = ALLOW
  expect(await statusOf(app)).toBe(200)
})

test('a connection on which three deadlines in a row are missed is given up for a new one', async () => {
  const service = await Service.start()
  const engine = engineFor(service.target)
  const peers = new Set<string>()
  const silent: Respond = (_reply, call) => void peers.add(call.getPeer())
  const askInVain = async (): Promise<void> => {
    const controller = new AbortController()
    const asked = service.asked.length
    const decision = engine.decide(QUESTION, controller)
    while (service.asked.length === asked) await new Promise(setImmediate)
    controller.abort()
    await expect(decision).rejects.toMatchObject({ code: 'engine-unreachable' })
  }
  service.respond = silent
  for (let miss = 0; miss < 2; miss++) await askInVain()
  service.respond = ALLOW
  expect(await decide(engine)).toBe(true)
  service.respond = silent
  for (let miss = 0; miss < 3; miss++) await askInVain()
  expect(peers.size).toBe(1)
  await askInVain()
  expect(peers.size).toBe(2)
  service.respond = ALLOW
  expect(await decide(engine)).toBe(true)
})

test('a service is left alone after five failures, and asked again after a while', async () => {
  const service = await Service.start(answer())
  const engine = engineFor(service.target, { breaker: { openMs: 500 } })
  const { guard, time, ask } = guarded(engine)
  for (let at = 0; at < 7; at++) await ask()
  expect(service.asked.length).toBe(5)
  expect(guard.stats()).toMatchObject({ breaker: 'open', failed: 5, unavailable: 2 })
  service.respond = ALLOW
  time.now += 500
  expect([await ask(), await ask()]).toEqual(['allowed', 'allowed'])
  expect(guard.stats()).toMatchObject({ breaker: 'closed', allowed: 2 })
})

test('a service on a Unix socket is found, and found again after it was away', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'authz-'))
  closers.push(() => rm(directory, { recursive: true, force: true }))
  const target = `unix:${directory}/engine.sock`
  const first = await Service.start(ALLOW, target)
  const engine = engineFor(target)
  expect(await decide(engine)).toBe(true)
  first.server.forceShutdown()
  await rm(join(directory, 'engine.sock'), { force: true })
  await expect(decide(engine)).rejects.toMatchObject({ code: 'engine-unreachable' })
  await Service.start(ALLOW, target)
  let decision = false
  while (!decision) decision = await decide(engine).catch(() => false)
  expect(decision).toBe(true)
})

test('the service receives the principal, the method, the pattern and what the rule declares', async () => {
  const service = await Service.start()
  const reads = ['params.id', 'headers.x-device', 'host', 'captures.who', 'tenant', 'ip'] as const
  const engine = engineFor(service.target)
  const app = await application(engine, { tenant: '/{tenant}/{workload}' }, { reads })
  const headers = { 'x-device': 'd1', host: 'orders.example' }
  await injectAs(app, WEB, { method: 'PUT', url: '/orders/a%2Fb?q=1', headers })
  expect(service.asked).toEqual([
    {
      attributes: {
        source: { principal: WEB },
        request: {
          http: {
            id: expect.stringMatching(/^[\da-f-]{36}$/),
            method: 'PUT',
            path: '/orders/{id}',
            host: 'orders.example',
            headers: { 'x-device': 'd1' },
          },
        },
        context_extensions: {
          route: '/orders/:id',
          tenant: 'acme',
          'tenant.trust_domain': 'example.org',
          'params.id': 'a/b',
          'captures.who': 'acme',
          ip: '127.0.0.1',
        },
      },
    },
  ])
})

describe('the options of ext-authz', () => {
  const secure = credentials.createSsl()

  test('want credentials for any machine but this one', () => {
    for (const target of ['unix:/run/a.sock', 'unix:///run/a.sock', 'localhost:1', '[::1]:1']) {
      const local = extAuthz({ target })
      closers.push(() => local.close?.())
      expect(local.timeoutMs).toBe(50)
    }
    const target = 'dns:///pdp.example.org:9191'
    const remote = extAuthz({ target, credentials: secure })
    closers.push(() => remote.close?.())
    expect(remote).toMatchObject({ name: 'ext-authz', cost: 'io', timeoutMs: 200 })
    for (const other of [target, 'pdp.example.org:9191', '127.0.0.1.example.org:1', '10.0.0.1:1']) {
      expect(() => extAuthz({ target: other })).toThrow(
        expect.objectContaining({
          code: 'invalid-option',
          message: expect.stringContaining('ext-authz.credentials'),
        }),
      )
    }
  })

  test.each<[string, object, string?]>([
    ['target', { target: undefined }],
    ['target', { target: '' }],
    ['target', { target: 'unix:' }],
    ['target', { target: '127.0.0.1' }],
    ['target', { target: 'http://127.0.0.1:80' }],
    ['target', { target: 'xds:///service:80' }],
    ['credentials', { credentials: {} }],
    ['maxResponseBytes', { maxResponseBytes: 0 }],
    ['failOpen', { failOpen: true }, 'unknown-option'],
  ])('refuse a wrong %s: %p', (key, wrong, expected = 'invalid-option') => {
    const options = { target: '127.0.0.1:9191', ...wrong }
    expect(() => extAuthz(options as ExtAuthzOptions)).toThrow(
      expect.objectContaining({
        code: expected,
        message: expect.stringMatching(new RegExp(`ext-authz.*`)),
      }),
    )
  })
})
