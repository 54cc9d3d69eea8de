// oxlint-disable typescript/no-unsafe-type-assertion -- these tests pass what the types forbid, as JavaScript can
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import http, { type IncomingMessage, type ServerResponse } from 'node:http'
import https from 'node:https'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { injectAs } from '@fastify-spiffe/peer/test-kit'
import { describe, expect, test } from '@jest/globals'
import type { Engine } from '@fastify-spiffe/policy'
import { authzen } from '@fastify-spiffe/policy/authzen'
import { cerbos } from '@fastify-spiffe/policy/cerbos'
import type { EndpointOptions, EngineSettings } from '@fastify-spiffe/policy/engine-kit'
import { opa } from '@fastify-spiffe/policy/opa'
import {
  decide,
  guarded,
  QUESTION,
  remoteScene,
  statusOf,
  WEB,
} from '@fastify-spiffe-test/kit/remote-scene'

const { closers, reasons, application } = remoteScene()

/** What a service was asked. */
interface Asked {
  readonly url: string | undefined
  readonly headers: http.IncomingHttpHeaders
  // oxlint-disable-next-line typescript/no-explicit-any -- read as the test expects it
  readonly body: any
}

type Respond = (response: ServerResponse, good: string, request: IncomingMessage) => void

type Options = EngineSettings & Partial<EndpointOptions>

/** An engine of this package, and what its service says to let in and to refuse. */
interface Protocol {
  readonly name: string
  readonly path: string
  readonly engine: (options: Options) => Engine
  readonly answer: (allows: boolean, asked: Asked) => unknown
}

const cerbosAnswer = (effect: unknown, { body }: Asked): object => ({
  requestId: body.requestId,
  results: [{ resource: { id: '/orders/{id}', kind: 'route' }, actions: { GET: effect } }],
  cerbosCallId: 'call',
})

const AUTHZEN: Protocol = {
  name: 'authzen',
  path: '/access/v1/evaluation',
  engine: (options) => authzen({ url: '', ...options }),
  answer: (allows) => ({ decision: allows, context: { reason: 'a test' } }),
}
const OPA: Protocol = {
  name: 'opa',
  path: '/v1/data/http/authz/allow',
  engine: (options) => opa({ url: '', path: 'http/authz/allow', ...options }),
  answer: (allows) => ({ result: allows, decision_id: 'one' }),
}
const CERBOS: Protocol = {
  name: 'cerbos',
  path: '/api/check/resources',
  engine: (options) => cerbos({ url: '', ...options }),
  answer: (allows, asked) => cerbosAnswer(allows ? 'EFFECT_ALLOW' : 'EFFECT_DENY', asked),
}
const PROTOCOLS = [AUTHZEN, OPA, CERBOS]

const json = (response: ServerResponse, body: string | Buffer): void => {
  response.writeHead(200, { 'content-type': 'application/json; charset=utf-8' }).end(body)
}
const ALLOW: Respond = json
/** Whatever the bytes: they need not be HTTP. */
const raw =
  (...lines: readonly string[]): Respond =>
  ({ socket }, good) =>
    socket?.end(lines.join('\r\n').replace('GOOD', good))

/** A real service of the protocol, which answers by `respond`. */
class Service {
  readonly asked: Asked[] = []
  connections = 0
  respond: Respond = ALLOW
  readonly #protocol: Protocol
  readonly server: http.Server

  constructor(protocol: Protocol) {
    this.#protocol = protocol
    this.server = http.createServer((request, response) => void this.#serve(request, response))
    this.server.on('connection', () => this.connections++)
    // Cut connections are what some tests are about.
    this.server.on('clientError', () => undefined)
  }

  static async start(
    protocol: Protocol,
    respond: Respond = ALLOW,
    path?: string,
  ): Promise<Service> {
    const service = new Service(protocol)
    service.respond = respond
    if (path === undefined) service.server.listen(0, '127.0.0.1')
    else service.server.listen(path)
    await once(service.server, 'listening')
    closers.push(() => {
      service.server.close()
      service.server.closeAllConnections()
    })
    return service
  }

  get url(): string {
    return `http://127.0.0.1:${(this.server.address() as AddressInfo).port}`
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const body: unknown = JSON.parse(await text(request))
    const asked = { url: request.url, headers: request.headers, body }
    this.asked.push(asked)
    this.respond(response, JSON.stringify(this.#protocol.answer(true, asked)), request)
  }
}

describe.each(PROTOCOLS)('$name', (protocol) => {
  const { engine: make, answer } = protocol

  test('lets in by an exact allow, refuses by an exact deny, and keeps the connection', async () => {
    const service = await Service.start(protocol)
    const app = await application(make({ url: service.url, timeoutMs: 10_000 }))
    expect(await statusOf(app)).toBe(200)
    service.respond = (response) =>
      json(response, JSON.stringify(answer(false, service.asked.at(-1)!)))
    expect(await statusOf(app)).toBe(403)
    expect(reasons()).toEqual(['allowed', 'engine-denied'])
    expect(service.connections).toBe(1)
    expect(service.asked.map(({ url }) => url)).toEqual([protocol.path, protocol.path])
    expect(app.authz.engines()).toEqual([
      expect.objectContaining({ engine: protocol.name, allowed: 1, denied: 1, failed: 0 }),
    ])
  })

  test.each<[string, string, Respond]>([
    ['nothing', 'invalid-answer', (it) => json(it, '')],
    ['HTML', 'invalid-answer', (it) => json(it, '<html>login</html>')],
    [
      'an allow that is called HTML',
      'invalid-answer',
      (it, good) => it.writeHead(200, { 'content-type': 'text/html' }).end(good),
    ],
    ['an allow without a type', 'invalid-answer', (it, good) => it.writeHead(200).end(good)],
    [
      'an allow of a similar type',
      'invalid-answer',
      (it, good) => it.writeHead(200, { 'content-type': 'application/jsonp' }).end(good),
    ],
    ['204', 'invalid-answer', (it) => it.writeHead(204).end()],
    ...[201, 203, 206, 400, 401, 403, 404, 429, 500, 503].map(
      (status): [string, string, Respond] => [
        `an allow with status ${status}`,
        'invalid-answer',
        (it, good) => it.writeHead(status, { 'content-type': 'application/json' }).end(good),
      ],
    ),
    ...[301, 302, 303, 307, 308].map((status): [string, string, Respond] => [
      `a redirect with ${status}`,
      'invalid-answer',
      (it, good) =>
        it
          .writeHead(status, { location: protocol.path, 'content-type': 'application/json' })
          .end(good),
    ]),
    [
      'an allow after too many blanks',
      'invalid-answer',
      (it, good) => json(it, `${' '.repeat(70_000)}${good}`),
    ],
    [
      'an endless body',
      'invalid-answer',
      (it) => {
        it.writeHead(200, { 'content-type': 'application/json' })
        const pour = (error?: Error | null): void => {
          if (!error && !it.destroyed) it.write(' '.repeat(16_384), pour)
        }
        pour()
      },
    ],
    [
      'an allow that is called compressed',
      'invalid-answer',
      (it, good) => {
        it.setHeader('content-encoding', 'gzip')
        json(it, good)
      },
    ],
    ['an allow after a byte order mark', 'invalid-answer', (it, good) => json(it, `\uFEFF${good}`)],
    [
      'bytes that are no text',
      'invalid-answer',
      (it, good) => json(it, Buffer.concat([Buffer.from(good), Buffer.from([0xff])])),
    ],
    ['two answers in one', 'invalid-answer', (it, good) => json(it, `${good}${good}`)],
    ['half an answer', 'invalid-answer', (it, good) => json(it, good.slice(0, -1))],
    ['an allow in a list', 'invalid-answer', (it, good) => json(it, `[${good}]`)],
    ['an allow as a text', 'invalid-answer', (it, good) => json(it, JSON.stringify(good))],
    ['true', 'invalid-answer', (it) => json(it, 'true')],
    ['null', 'invalid-answer', (it) => json(it, 'null')],
    ['"allow"', 'invalid-answer', (it) => json(it, '"allow"')],
    ['a cut connection', 'engine-unreachable', ({ socket }) => socket?.destroy()],
    [
      'an allow that is cut before its announced end',
      'engine-unreachable',
      raw('HTTP/1.1 200 OK', 'content-type: application/json', 'content-length: 1000', '', 'GOOD'),
    ],
    [
      'an allow whose last chunk is missing',
      'engine-unreachable',
      raw(
        'HTTP/1.1 200 OK',
        'content-type: application/json',
        'transfer-encoding: chunked',
        '',
        '400',
        'GOOD',
      ),
    ],
    ['a head without an end', 'engine-unreachable', raw('HTTP/1.1 200 OK', 'content-type: appl')],
    ['what is not HTTP', 'engine-unreachable', raw('SSH-2.0-OpenSSH_9.9', '')],
    [
      'two lengths',
      'engine-unreachable',
      raw('HTTP/1.1 200 OK', 'content-length: 4', 'content-length: 5', '', 'true'),
    ],
    [
      'another protocol',
      'invalid-answer',
      raw('HTTP/1.1 101 Switching Protocols', 'connection: upgrade', 'upgrade: x', '', ''),
    ],
  ])('takes %s for a failure, and the next answer for what it is', async (_, code, wrong) => {
    const service = await Service.start(protocol, wrong)
    const engine = make({ url: service.url, timeoutMs: 10_000 })
    const app = await application(engine)
    await expect(decide(engine)).rejects.toMatchObject({ name: 'PolicyError', code })
    expect(await statusOf(app)).toBe(403)
    expect(reasons()).toEqual(['engine-failed'])
    expect(service.asked.length).toBe(2)
    expect(app.authz.engines()).toMatchObject([{ failed: 1, allowed: 0, denied: 0, inFlight: 0 }])
    service.respond = ALLOW
    expect(await statusOf(app)).toBe(200)
  })

  test.each<[string, Respond]>([
    ['never answers', () => undefined],
    [
      'never ends its answer',
      (it, good) => it.writeHead(200, { 'content-type': 'application/json' }).write(good),
    ],
  ])('gives up a service that %s at the deadline, and the connection too', async (_, respond) => {
    const service = await Service.start(protocol)
    const app = await application(make({ url: service.url, timeoutMs: 500 }))
    const closed = new Promise((resolve) => {
      service.respond = (response, good, request) => {
        request.socket.once('close', resolve)
        respond(response, good, request)
      }
    })
    expect(await statusOf(app)).toBe(403)
    await closed
    expect(reasons()).toEqual(['engine-timeout'])
    const [stats] = app.authz.engines()
    expect((stats?.timedOut ?? 0) + (stats?.lagged ?? 0)).toBe(1)
    service.respond = ALLOW
    expect(await statusOf(app)).toBe(200)
  })

  test('is left alone after five failures, and asked again after a while', async () => {
    const service = await Service.start(protocol, ({ socket }) => socket?.destroy())
    const engine = make({ url: service.url, timeoutMs: 10_000, breaker: { openMs: 500 } })
    const { guard, time, ask } = guarded(engine)
    for (let at = 0; at < 7; at++) await ask()
    expect(service.asked.length).toBe(5)
    expect(guard.stats()).toMatchObject({ breaker: 'open', failed: 5, unavailable: 2 })
    service.respond = ALLOW
    time.now += 500
    expect([await ask(), await ask()]).toEqual(['allowed', 'allowed'])
    expect(guard.stats()).toMatchObject({ breaker: 'closed', allowed: 2 })
    await engine.close?.()
  })

  test('fails while nobody listens', async () => {
    const service = await Service.start(protocol)
    const { url } = service
    service.server.close()
    await once(service.server, 'close')
    const engine = make({ url })
    await expect(decide(engine)).rejects.toMatchObject({
      code: 'engine-unreachable',
      cause: { code: 'ECONNREFUSED' },
    })
    expect(await statusOf(await application(engine))).toBe(403)
    expect(reasons()).toEqual(['engine-failed'])
  })

  test('asks once more where a kept connection ends as it is used again', async () => {
    const service = await Service.start(protocol)
    const app = await application(make({ url: service.url, timeoutMs: 10_000 }))
    expect(await statusOf(app)).toBe(200)
    service.respond = ({ socket }) => {
      service.respond = ALLOW
      socket?.destroy()
    }
    expect(await statusOf(app)).toBe(200)
    expect(service.asked.length).toBe(3)
    service.respond = ({ socket }) => socket?.destroy()
    expect(await statusOf(app)).toBe(403)
    expect(service.asked.length).toBe(5)
    expect(app.authz.engines()).toMatchObject([{ allowed: 2, failed: 1 }])
  })

  test('is reached over a Unix socket', async () => {
    const directory = await mkdtemp(join(tmpdir(), 'authz-'))
    closers.push(() => rm(directory, { recursive: true, force: true }))
    const socketPath = join(directory, 'engine.sock')
    const service = await Service.start(protocol, ALLOW, socketPath)
    expect(await decide(make({ url: 'http://engine.example/base/', socketPath }))).toBe(true)
    expect(service.asked).toMatchObject([
      { url: `/base${protocol.path}`, headers: { host: 'engine.example' } },
    ])
  })

  test('uses the agent that it is given, and leaves it open', async () => {
    const service = await Service.start(protocol)
    const agent = new http.Agent({ keepAlive: true })
    closers.push(() => agent.destroy())
    const engine = make({ url: service.url, agent, timeoutMs: 10_000 })
    expect(await decide(engine)).toBe(true)
    await engine.close?.()
    expect(Object.keys(agent.freeSockets).length).toBe(1)
    expect(await decide(engine)).toBe(true)
    expect(service.connections).toBe(1)
  })

  test('lets go of its own connections when the application closes', async () => {
    const service = await Service.start(protocol)
    const app = await application(make({ url: service.url, timeoutMs: 10_000 }))
    const closed = new Promise((resolve) => {
      service.server.once('connection', (socket) => socket.once('close', resolve))
    })
    expect(await statusOf(app)).toBe(200)
    await app.close()
    await closed
  })

  test('sends the configured headers, but describes the body itself', async () => {
    const service = await Service.start(protocol)
    const headers = { authorization: 'Bearer of-a-test', 'Content-Type': 'text/plain' }
    expect(await decide(make({ url: service.url, headers }))).toBe(true)
    expect(service.asked[0]?.headers).toMatchObject({
      authorization: 'Bearer of-a-test',
      'content-type': 'application/json',
      accept: 'application/json',
    })
  })

  test('is called and bounded as configured, and has 50 ms on this machine, 200 ms elsewhere', () => {
    const url = 'https://pdp.example.org'
    expect(make({ url })).toMatchObject({ name: protocol.name, cost: 'io', timeoutMs: 200 })
    for (const host of ['127.0.0.1:1', 'localhost', '[::1]:80']) {
      expect(make({ url: `http://${host}` }).timeoutMs).toBe(50)
    }
    const settings = { name: 'judge', timeoutMs: 7, maxInFlight: 3, policyVersion: () => 'v1' }
    expect(make({ url, ...settings })).toMatchObject(settings)
  })

  test.each<[string, Record<string, unknown>, string?]>([
    ['url', { url: 'pdp.example.org' }],
    ['url', { url: 'ftp://pdp.example.org' }],
    ['url', { url: 'http://pdp.example.org' }],
    ['url', { url: 'http://127.0.0.1.example.org' }],
    ['url', { url: 'https://user:secret@pdp.example.org' }],
    ['url', { url: 'https://pdp.example.org/?tenant=acme' }],
    ['agent', { agent: {} }],
    ['agent', { agent: new http.Agent() }],
    ['agent', { url: 'http://localhost', agent: new https.Agent() }],
    ['headers', { headers: { authorization: 1 } }],
    ['socketPath', { socketPath: '' }],
    ['maxResponseBytes', { maxResponseBytes: 0 }],
    ['allowPlaintext', { allowPlaintext: 'yes' }],
    ['failOpen', { failOpen: true }, 'unknown-option'],
  ])('refuses a wrong %s: %p', (key, options, code = 'invalid-option') => {
    const wrong = { url: 'https://pdp.example.org', ...options } as Options
    expect(() => make(wrong)).toThrow(
      expect.objectContaining({
        code,
        message: expect.stringMatching(new RegExp(`.*`)),
      }),
    )
    expect(() => make(wrong)).not.toThrow(/secret/)
  })

  test('goes unencrypted to another machine only where an option allows it', () => {
    const url = 'http://pdp.example.org'
    expect(make({ url, allowPlaintext: true }).timeoutMs).toBe(200)
  })
})

/** Answers that are JSON, and no decision of the protocol: or one only if read carelessly. */
async function reasonFor(protocol: Protocol, body: string): Promise<string | undefined> {
  const service = await Service.start(protocol)
  service.respond = (it) =>
    json(it, body.replace('ID', String(service.asked.at(-1)?.body.requestId)))
  await statusOf(await application(protocol.engine({ url: service.url, timeoutMs: 10_000 })))
  return reasons()[0]
}

describe('AuthZEN', () => {
  test.each([
    '{}',
    '{"decision":"true"}',
    '{"decision":1}',
    '{"decision":null}',
    '{"decision":{}}',
    '{"decision":[true]}',
    '{"Decision":true}',
    '{"context":{"decision":true}}',
    '{"__proto__":{"decision":true}}',
    '{"decision":false,"decision":true}',
    '{"constructor":{"prototype":{"decision":true}}}',
    '{"evaluations":[{"decision":true}]}',
  ])('says nothing by %s', async (body) => {
    expect(await reasonFor(AUTHZEN, body)).toBe('engine-failed')
  })

  test('sends an identifier with each question, and takes no answer to another one', async () => {
    const service = await Service.start(AUTHZEN, (it, good, request) => {
      it.setHeader('x-request-id', request.headers['x-request-id'] ?? '')
      json(it, good)
    })
    const engine = AUTHZEN.engine({ url: service.url, timeoutMs: 10_000 })
    expect([await decide(engine), await decide(engine)]).toEqual([true, true])
    const ids = service.asked.map(({ headers }) => headers['x-request-id'])
    expect(new Set(ids).size).toBe(2)
    for (const other of ['1', [ids[0], ids[1]].join(', '), '']) {
      service.respond = (it, good) => {
        it.setHeader('x-request-id', other)
        json(it, good)
      }
      await expect(decide(engine)).rejects.toMatchObject({ code: 'invalid-answer' })
    }
  })

  test('is asked whether the SPIFFE ID may use the method of the route', async () => {
    const service = await Service.start(AUTHZEN)
    const reads = [
      'params.id',
      'headers.x-device',
      'query.q',
      'query.absent',
      'ip',
      'captures.who',
      'tenant',
      'spiffeId',
      'route',
    ] as const
    const engine = AUTHZEN.engine({ url: service.url, timeoutMs: 10_000 })
    const app = await application(engine, { tenant: '/{tenant}/{workload}' }, { reads })
    const headers = { 'x-device': 'd1' }
    await injectAs(app, WEB, { method: 'PUT', url: '/orders/a%2Fb?q=1', headers })
    expect(service.asked[0]?.body).toEqual({
      subject: {
        type: 'spiffe',
        id: WEB,
        properties: {
          trust_domain: 'example.org',
          tenant: { trust_domain: 'example.org', name: 'acme' },
          captures: { who: 'acme' },
        },
      },
      action: { name: 'PUT' },
      resource: { type: 'route', id: '/orders/{id}', properties: { params: { id: 'a/b' } } },
      context: { ip: '127.0.0.1', headers: { 'x-device': 'd1' }, query: { q: '1' } },
    })
  })

  test('is asked what the option `evaluation` makes of the question', async () => {
    const service = await Service.start(AUTHZEN)
    const evaluation = {
      subject: { type: 'identity', id: 'web' },
      action: { name: 'read' },
      resource: { type: 'order', id: '7' },
    }
    expect(await decide(authzen({ url: service.url, evaluation: () => evaluation }))).toBe(true)
    expect(service.asked[0]?.body).toEqual(evaluation)
  })
})

test('an attribute named like a prototype is sent as any other', async () => {
  const service = await Service.start(OPA)
  const attributes = JSON.parse('{"query.__proto__":"1","headers.constructor":"2"}') as object
  await OPA.engine({ url: service.url, timeoutMs: 10_000 }).decide(
    { ...QUESTION, attributes },
    { signal: new AbortController().signal },
  )
  const { context } = service.asked[0]!.body.input
  expect(JSON.stringify(context)).toBe('{"query":{"__proto__":"1"},"headers":{"constructor":"2"}}')
})

describe('OPA', () => {
  test.each([
    '{"result":"true"}',
    '{"result":1}',
    '{"__proto__":{"result":true}}',
    '{"result":false,"result":true}',
    '{"result":true,"result":true}',
    String.raw`{"result":false,"\u0072esult":true}`,
    '{"result":true,"metrics":{"a":1,"a":1}}',
    '{"result":true,"metrics":1e400}',
    `{"result":true,"list":${'['.repeat(1000)}${']'.repeat(1000)}}`,
    '{"result":null}',
    '{"result":{}}',
    '{"result":{"allow":true}}',
    '{"result":[true]}',
  ])('says nothing by %s', async (body) => {
    expect(await reasonFor(OPA, body)).toBe('engine-failed')
  })

  test.each([
    '{}',
    '{"decision_id":"one"}',
    '{"Result":true}',
    '{"constructor":{"prototype":{"result":true}}}',
  ])('refuses by an undefined result: %s', async (body) => {
    expect(await reasonFor(OPA, body)).toBe('engine-denied')
  })

  test('shows nothing of an answer that has a key twice', async () => {
    const service = await Service.start(OPA, (it) => json(it, '{"TopSecret":1,"TopSecret":2}'))
    const failure: unknown = await decide(
      OPA.engine({ url: service.url, timeoutMs: 10_000 }),
    ).catch((it: unknown) => it)
    expect(failure).toMatchObject({ code: 'invalid-answer' })
    expect(String(failure)).toContain('occurs twice')
    expect(String(failure)).not.toContain('TopSecret')
  })

  test('receives what the question tells as `input`, or what the option makes of it', async () => {
    const service = await Service.start(OPA)
    const reads = ['params.id', 'headers.x-device', 'captures.who'] as const
    const app = await application(
      OPA.engine({ url: service.url, timeoutMs: 10_000 }),
      {},
      { reads },
    )
    await injectAs(app, WEB, { url: '/orders/7', headers: { 'x-device': 'd1' } })
    const onlyRoute = opa({
      url: service.url,
      path: 'a b/allow',
      input: ({ route }) => ({ route }),
    })
    await decide(onlyRoute)
    expect(service.asked.map(({ url, body }) => [url, body])).toEqual([
      [
        OPA.path,
        {
          input: {
            caller: { id: WEB, trust_domain: 'example.org', captures: { who: 'acme' } },
            method: 'GET',
            route: '/orders/:id',
            params: { id: '7' },
            context: { headers: { 'x-device': 'd1' } },
          },
        },
      ],
      ['/v1/data/a%20b/allow', { input: { route: '/orders/:id' } }],
    ])
  })

  test.each([undefined, '', '/authz/allow', 'authz//allow', 'authz/../allow', 'authz/', 7])(
    'refuses the path %p',
    (path) => {
      const options = { url: 'http://localhost', path: path as string }
      expect(() => opa(options)).toThrow(expect.objectContaining({ code: 'invalid-option' }))
    },
  )
})

const result = (resource: string, actions: string): string =>
  `{"requestId":"ID","results":[{"resource":${resource},"actions":${actions}}]}`

describe('Cerbos', () => {
  const ROUTE = '{"kind":"route","id":"/orders/{id}"}'
  const GET = '{"GET":"EFFECT_ALLOW"}'

  test('decides by the right answer of this shape', async () => {
    expect(await reasonFor(CERBOS, result(ROUTE, GET))).toBe('allowed')
  })

  test.each([
    '{}',
    '{"requestId":"ID"}',
    '{"requestId":"ID","results":[]}',
    '{"requestId":"ID","results":{}}',
    '{"requestId":"ID","results":[null]}',
    result(ROUTE, '{}'),
    result(ROUTE, 'null'),
    result(ROUTE, '{"PUT":"EFFECT_ALLOW"}'),
    result(ROUTE, '{"GET":true}'),
    result(ROUTE, '{"GET":"effect_allow"}'),
    result(ROUTE, '{"GET":"EFFECT_UNSPECIFIED"}'),
    result(ROUTE, '{"GET":"EFFECT_NO_MATCH"}'),
    result(ROUTE, '{"GET":["EFFECT_ALLOW"]}'),
    result(ROUTE, `{"__proto__":${GET}}`),
    result('{"kind":"route","id":"/"}', GET),
    result('{"kind":"album","id":"/orders/{id}"}', GET),
    result(`{"__proto__":${ROUTE}}`, GET),
    result(ROUTE, GET).replace('ID', 'another'),
    result(ROUTE, GET).replace('"requestId":"ID",', ''),
    result(ROUTE, GET).replace(']', `,{"resource":${ROUTE},"actions":${GET}}]`),
  ])('says nothing by %s', async (body) => {
    expect(await reasonFor(CERBOS, body)).toBe('engine-failed')
  })

  test('is asked whether the principal may take the action on the resource', async () => {
    const service = await Service.start(CERBOS)
    const reads = ['params.id', 'headers.x-device', 'captures.who'] as const
    const app = await application(
      CERBOS.engine({ url: service.url, timeoutMs: 10_000 }),
      {},
      { reads },
    )
    await injectAs(app, WEB, { url: '/orders/7', headers: { 'x-device': 'd1' } })
    const { body } = service.asked[0]!
    expect(body).toEqual({
      requestId: body.requestId,
      principal: {
        id: WEB,
        roles: ['workload'],
        attr: { trust_domain: 'example.org', captures: { who: 'acme' } },
      },
      resources: [
        {
          actions: ['GET'],
          resource: {
            kind: 'route',
            id: '/orders/{id}',
            attr: { params: { id: '7' }, headers: { 'x-device': 'd1' } },
          },
        },
      ],
    })
  })

  test('is asked in the terms of the options `roles`, `resource` and `action`', async () => {
    const service = await Service.start(CERBOS)
    service.respond = (it) => {
      const { requestId, resources } = service.asked.at(-1)!.body
      const [{ resource }] = resources
      const results = [{ resource, actions: { read: 'EFFECT_ALLOW' } }]
      json(it, JSON.stringify({ requestId, results }))
    }
    const engine = cerbos({
      url: service.url,
      roles: ({ method }) => [method === 'GET' ? 'reader' : 'writer'],
      resource: () => ({ kind: 'order', id: '7', scope: 'acme', policyVersion: 'v2' }),
      action: () => 'read',
    })
    expect(await decide(engine)).toBe(true)
    expect(service.asked[0]?.body).toMatchObject({
      principal: { roles: ['reader'] },
      resources: [
        {
          actions: ['read'],
          resource: { kind: 'order', id: '7', scope: 'acme', policyVersion: 'v2' },
        },
      ],
    })
  })

  test.each([[[]], ['reader'], [[1]]])('refuses the roles %p', (roles) => {
    const options = { url: 'http://localhost', roles: roles as never }
    expect(() => cerbos(options)).toThrow(expect.objectContaining({ code: 'invalid-option' }))
  })
})

test.each<[string, () => Engine]>([
  ['authzen.evaluation', () => authzen({ url: 'http://localhost', evaluation: {} as never })],
  ['opa.input', () => opa({ url: 'http://localhost', path: 'a', input: {} as never })],
  ['cerbos.resource', () => cerbos({ url: 'http://localhost', resource: {} as never })],
  ['cerbos.action', () => cerbos({ url: 'http://localhost', action: 'GET' as never })],
])('%s has to be a function', (key, make) => {
  expect(make).toThrow(
    expect.objectContaining({ code: 'invalid-option', message: expect.stringContaining(key) }),
  )
})
