import { once } from 'node:events'
import type { Http2Session } from 'node:http2'
import type { Writable } from 'node:stream'
import { matchAny } from '@fastify-spiffe/spiffe'
import { webPki } from '@fastify-spiffe/tls'
import { ScriptedSource } from '@fastify-spiffe-test/kit/scripted-source'
import { beforeAll, describe, expect, test } from '@jest/globals'
import { request as undiciRequest } from 'undici'
import { codedErrorOf, createDispatcher, type DispatcherOptions } from './index.ts'
import {
  bundlesOf,
  clients,
  openScene,
  Opened,
  SERVER_ID,
  TestServer,
  WEB_ID,
  type Scene,
} from './scene.test.helper.ts'

let scene: Scene
let web: ScriptedSource

beforeAll(async () => {
  scene = await openScene()
  web = await scene.newClient()
})

async function failureOf(promise: Promise<unknown>): Promise<string | undefined> {
  const error: unknown = await promise.then(
    () => new Error('it did not fail'),
    (reason: unknown) => reason,
  )
  return codedErrorOf(error)?.code ?? String(error)
}

describe('options', () => {
  const refusals: readonly [string, string, object][] = [
    ['no server', 'invalid-option', { server: undefined }],
    ['a server that is no pattern', 'invalid-option', { server: 'billing' }],
    ['an unknown option', 'unknown-option', { servers: SERVER_ID }],
    [
      'an option that would turn the verification off',
      'unknown-option',
      { rejectUnauthorized: false },
    ],
    ['a connector', 'unknown-option', { pool: { connect: () => undefined } }],
    ['a pool of a wrong type', 'invalid-option', { pool: 5 }],
    ['no connections', 'invalid-option', { pool: { connections: 0 } }],
    ['a timeout of null', 'invalid-option', { pool: { bodyTimeout: null } }],
    ['a negative deadline', 'invalid-option', { graceMs: -1 }],
    ['a module that is not undici', 'invalid-option', { undici: {} }],
    ['a source that was not awaited', 'invalid-option', { source: Promise.resolve() }],
    [
      'neither SVID nor SPIFFE ID',
      'invalid-option',
      { server: webPki(), clientCertificate: 'none' },
    ],
  ]
  test.each(refusals)('refuse %s', (_name, code, changed) => {
    const options = { source: web, server: SERVER_ID, ...changed } as DispatcherOptions
    expect(() => createDispatcher(options)).toThrow(expect.objectContaining({ code }))
  })

  test('hold nothing before the first request, and nothing after the last connection', async () => {
    await using server = await TestServer.serve(scene.server)
    let subscriptions = 0
    const source = new ScriptedSource(web.svid, web.bundles)
    const onUpdate = source.onUpdate.bind(source)
    source.onUpdate = (listener) => {
      subscriptions++
      const end = onUpdate(listener)
      return () => {
        subscriptions--
        end()
      }
    }
    const dispatcher = createDispatcher({ source, server: SERVER_ID })
    expect(subscriptions).toBe(0)
    await (await dispatcher.fetch(server.origin)).text()
    expect(subscriptions).toBe(1)
    await dispatcher.close()
    expect(subscriptions).toBe(0)
    expect(await failureOf(dispatcher.fetch(server.origin))).toBe('closed')
  })
})

describe('to', () => {
  test('gives one dispatcher for each server, which is closed with the first', async () => {
    await using server = await TestServer.serve(scene.server)
    const billing = createDispatcher({ source: web, server: 'spiffe://example.org/billing' })
    const any = matchAny()
    expect(billing.to(any)).toBe(billing.to(any))
    expect(billing.to(any)).not.toBe(billing.to(matchAny()))
    expect(billing.to(SERVER_ID)).toBe(billing.to(SERVER_ID))
    expect(await failureOf(billing.fetch(server.origin))).toBe('server-not-allowed')
    const child = billing.to(SERVER_ID)
    expect((await child.fetch(server.origin)).status).toBe(200)
    expect(() => billing.to('nobody')).toThrow(expect.objectContaining({ code: 'invalid-option' }))
    await billing.destroy()
    for (const each of [child, billing, billing.to(any)]) {
      expect(await failureOf(each.fetch(server.origin))).toBe('closed')
    }
  })

  test('closes one that is closed itself, and no other', async () => {
    await using server = await TestServer.serve(scene.server)
    await using opened = new Opened({ source: web, server: SERVER_ID })
    const child = opened.dispatcher.to(SERVER_ID)
    await (await child.fetch(server.origin)).text()
    await child.close()
    expect(await failureOf(child.fetch(server.origin))).toBe('closed')
    const next = opened.dispatcher.to(SERVER_ID)
    expect(next).not.toBe(child)
    await (await next.fetch(server.origin)).text()
  })

  test('remembers the last hundred', async () => {
    const dispatcher = createDispatcher({ source: web, server: SERVER_ID })
    const first = dispatcher.to(`${SERVER_ID}/0`)
    for (let index = 0; index <= 100; index++) dispatcher.to(`${SERVER_ID}/${index}`)
    expect(dispatcher.to(`${SERVER_ID}/100`)).toBe(dispatcher.to(`${SERVER_ID}/100`))
    expect(dispatcher.to(`${SERVER_ID}/0`)).not.toBe(first)
    await dispatcher.close()
  })
})

describe.each(clients)('$name', ({ fetch, options }) => {
  test('ends requests that run when it is destroyed, with the given error', async () => {
    await using server = await TestServer.serve(scene.server, (_request, response) => {
      const writable: Writable = response
      writable.write('begun')
    })
    await using opened = new Opened({ ...options, source: web, server: SERVER_ID })
    const response = await fetch(opened.dispatcher, server.origin)
    const failure = response.text().catch((error: Error) => error.cause)
    const reason = new Error('enough')
    await opened.dispatcher.destroy(reason)
    expect(await failure).toBe(reason)
  })

  test('calls a server that has to prove its name to the Web PKI, and no SPIFFE ID', async () => {
    const { authority } = scene
    const minted = await authority.mint(SERVER_ID, { dnsNames: ['localhost'] })
    const named = new ScriptedSource(minted.toX509Svid(), bundlesOf(authority))
    await using server = await TestServer.serve(named)
    const url = server.origin.replace('127.0.0.1', 'localhost')
    const trusted = webPki({ ca: authority.certificatePem })
    const pool = { connections: 1 }
    await using opened = new Opened({ ...options, source: web, server: trusted, pool })
    expect(await (await fetch(opened.dispatcher, url)).text()).toBe(web.svid?.leaf.serialNumber)
    await (await fetch(opened.dispatcher, url)).text()
    expect(server.connections).toBe(1)
    // By its address it has no name, and by the authorities of Node no issuer.
    expect(await failureOf(fetch(opened.dispatcher, server.origin))).toBe('server-refused')
    const strict = opened.dispatcher.to(webPki())
    expect(await failureOf(fetch(strict, url))).toBe('server-refused')
    expect(server.requests).toBe(2)
  })
})

test('calls a server without a certificate of its own, also while there is no SVID', async () => {
  const { createSvidServer, peerOf } = await import('@fastify-spiffe/tls')
  const https = createSvidServer(
    scene.server,
    { clientCertificate: 'optional' },
    (request, response) => {
      response.end(peerOf(request.socket) === null ? 'nobody' : 'somebody')
    },
  )
  await using server = await new TestServer(https).listen()
  const source = new ScriptedSource(null, web.bundles)
  const given = { source, clientCertificate: 'none', pool: { connections: 1 } } as const
  await using opened = new Opened({ ...given, server: SERVER_ID })
  expect(await (await opened.dispatcher.fetch(server.origin)).text()).toBe('nobody')
  source.set(web.svid, web.bundles)
  expect(await (await opened.dispatcher.fetch(server.origin)).text()).toBe('nobody')
  expect(server.connections).toBe(1)
  expect(await failureOf(opened.dispatcher.to(WEB_ID).fetch(server.origin))).toBe(
    'server-not-allowed',
  )
})

test('takes the built-in Request and FormData, and refuses another dispatcher', async () => {
  await using server = await TestServer.serve(scene.server, (incoming, response) => {
    response.setHeader('x-type', incoming.headers['content-type'] ?? '')
    incoming.pipe(response)
  })
  await using opened = new Opened({ source: web, server: SERVER_ID })
  const { dispatcher } = opened
  const posted = new Request(server.origin, { method: 'POST', body: 'in a request' })
  expect(await (await dispatcher.fetch(posted)).text()).toBe('in a request')
  const body = new FormData()
  body.set('name', 'in a form')
  const response = await dispatcher.fetch(server.origin, { method: 'POST', body })
  expect(response.headers.get('x-type')).toMatch(/^multipart\/form-data; boundary=/)
  expect(await response.text()).toContain('in a form')
  const init = { dispatcher } as unknown as RequestInit
  expect(await failureOf(dispatcher.fetch(server.origin, init))).toBe('invalid-option')
})

test('works with request of undici, and tells its errors', async () => {
  await using server = await TestServer.serve(scene.server)
  await using opened = new Opened({ source: web, server: SERVER_ID })
  const { body } = await undiciRequest(server.origin, { dispatcher: opened.dispatcher })
  expect(await body.text()).toBe(web.svid?.leaf.serialNumber)
  const dispatcher = opened.dispatcher.to(WEB_ID)
  await expect(undiciRequest(server.origin, { dispatcher })).rejects.toMatchObject({
    name: 'TlsError',
    code: 'server-not-allowed',
  })
})

test.each(clients)(
  'over HTTP/2, $name sends many requests over few connections, and survives a GOAWAY',
  async ({ fetch, options }) => {
    const sessions: Http2Session[] = []
    await using server = await TestServer.serve(scene.server)
    server.onSession((session) => sessions.push(session))
    const given = { source: web, server: SERVER_ID, http2: true, pool: { connections: 1 } }
    await using opened = new Opened({ ...options, ...given })
    const send = async (): Promise<number> => {
      const response = await fetch(opened.dispatcher, server.origin)
      await response.text()
      return response.status
    }
    expect(await Promise.all(Array.from({ length: 10 }, send))).toEqual(Array(10).fill(200))
    expect(server.connections).toBe(1)
    const closed = sessions.map((session) => once(session, 'close'))
    for (const session of sessions) session.close()
    await Promise.all(closed)
    expect(await send()).toBe(200)
    expect(server.connections).toBe(2)
  },
)

test.each(clients)(
  '$name gets an answer or an error when the server ends the HTTP/2 connection under it',
  async ({ fetch, options }) => {
    const sessions: Http2Session[] = []
    await using server = await TestServer.serve(scene.server, (_request, response) => {
      for (const session of sessions) session.close()
      setImmediate(() => response.end('late'))
    })
    server.onSession((session) => sessions.push(session))
    const given = { source: web, server: SERVER_ID, http2: true }
    await using opened = new Opened({ ...options, ...given })
    const answer = await fetch(opened.dispatcher, server.origin).then(
      (response) => response.text(),
      (error: Error) => Reflect.get(error.cause ?? {}, 'code'),
    )
    expect(['late', 'UND_ERR_SOCKET']).toContain(answer)
  },
)

test.each(clients)(
  '$name fails every request that waits for a place when the server is refused',
  async ({ fetch, options }) => {
    const material = await scene.authority.mint('spiffe://example.org/evil')
    await using server = await TestServer.serveEvil(material)
    const given = { source: web, server: SERVER_ID, pool: { connections: 1 } }
    await using opened = new Opened({ ...options, ...given })
    const requests = Array.from({ length: 5 }, () =>
      failureOf(fetch(opened.dispatcher, server.origin)),
    )
    expect(new Set(await Promise.all(requests))).toEqual(new Set(['server-not-allowed']))
    expect(server.bytes).toBe(0)
  },
)
