import { once } from 'node:events'
import http2 from 'node:http2'
import https from 'node:https'
import { text } from 'node:stream/consumers'
import { inspect } from 'node:util'
import {
  Authority,
  mintRootCa,
  type MintedCa,
  type MintedCertificate,
} from '@fastify-spiffe/authority'
import { X509Svid } from '@fastify-spiffe/spiffe'
import { beforeAll, describe, expect, test } from '@jest/globals'
import { createSvidServer, identityOf } from '../index.ts'
import {
  bundlesOf,
  call,
  callInSession,
  codeOf,
  dial,
  HeldSource,
  Loopback,
  record,
} from '../loopback.test.helper.ts'
import type { SvidServerOptions } from './server-options.ts'

const SERVER_ID = 'spiffe://example.org/server'
const WEB_ID = 'spiffe://example.org/acme/web'
const NOW = Date.now()
/** Whatever is minted is dated by the clock that the servers have: a slow machine changes nothing. */
const FIXED = { clock: (): number => NOW }

let authority: MintedCa
let web: MintedCertificate
let first: X509Svid
let second: X509Svid

async function issue(): Promise<X509Svid> {
  return (await authority.mint(SERVER_ID)).toX509Svid()
}
function sourceOf(svid: X509Svid | null): HeldSource {
  return new HeldSource(svid, bundlesOf(authority))
}

beforeAll(async () => {
  authority = await mintRootCa('example.org', {}, FIXED)
  web = await authority.mint(WEB_ID)
  first = await issue()
  second = await issue()
})

describe('a rotation', () => {
  test('reaches the next handshake', async () => {
    const source = sourceOf(first)
    await using loopback = await Loopback.serve(source)
    expect((await call(loopback.port, web)).serverSerial).toBe(first.leaf.serialNumber)
    source.put({ svid: second })
    expect(await call(loopback.port, web)).toEqual({
      body: WEB_ID,
      serverSerial: second.leaf.serialNumber,
    })
    expect(loopback.identity).toMatchObject({ generation: 2, svid: second })
  })

  test('that comes in a burst is one', async () => {
    const source = sourceOf(first)
    await using loopback = await Loopback.serve(source)
    const third = await issue()
    for (const svid of [second, first, third]) source.put({ svid })
    expect((await call(loopback.port, web)).serverSerial).toBe(third.leaf.serialNumber)
    expect(loopback.identity.generation).toBe(2)
  })

  test('without a new certificate is none', async () => {
    const source = sourceOf(first)
    await using loopback = await Loopback.serve(source)
    const again = X509Svid.fromPem({
      certificates: first.exportCertificatesPem(),
      privateKey: first.exportPrivateKeyPem(),
      hint: 'another hint',
    })
    source.put({
      svid: again,
      bundles: bundlesOf(authority, await mintRootCa('foreign.test', {}, FIXED)),
    })
    expect(await call(loopback.port, web)).toMatchObject({ body: WEB_ID })
    expect(loopback.identity.generation).toBe(1)
  })

  test('drops no option: TLS 1.2, resumption and anonymous clients stay refused', async () => {
    const source = sourceOf(first)
    await using loopback = await Loopback.serve(source)
    source.put({ svid: second })
    const { issued } = await callInSession(loopback.port, web)
    expect(issued).not.toEqual([])
    for (const session of issued) {
      const resuming = await callInSession(loopback.port, web, { session })
      expect(resuming).toMatchObject({ body: WEB_ID, isResumed: false })
    }
    expect(await call(loopback.port, web, { maxVersion: 'TLSv1.2' })).toEqual({ body: null })
    expect(await call(loopback.port, null)).toMatchObject({ body: null })
    expect(loopback.requests).toBe(1 + issued.length)
  })

  test('is reported, with the generation and the time, and without the key', async () => {
    const events = record('spiffe:server:svid-applied')
    const source = sourceOf(first)
    let now = NOW
    await using loopback = await Loopback.serve(source, { clock: () => now })
    now += 5
    source.put({ svid: second })
    await call(loopback.port, web)
    const told = events.stop()
    expect(told).toMatchObject([
      { serialNumber: first.leaf.serialNumber, generation: 1, appliedAt: NOW },
      { serialNumber: second.leaf.serialNumber, generation: 2, appliedAt: NOW + 5 },
    ])
    expect(loopback.identity.appliedAt).toBe(NOW + 5)
    expect(told).toMatchObject([{ server: loopback.server }, { server: loopback.server }])
    expect(inspect(told, { depth: 10 })).not.toContain('PRIVATE')
  })
})

describe.each<[string, SvidServerOptions]>([
  ['HTTP/1.1', {}],
  ['HTTP/2', { http2: true }],
])('twenty rotations under load over %s', (_, options) => {
  test('fail no request, neither on kept connections nor on new ones', async () => {
    const isHttp2 = options.http2 === true
    const protocol = isHttp2 ? 'h2' : 'http/1.1'
    const source = sourceOf(first)
    await using loopback = await Loopback.serve(source, options)
    const rotations = await Promise.all(Array.from({ length: 20 }, issue))
    const kept = isHttp2 ? await keptHttp2(loopback.port) : keptHttp1(loopback.port)
    const serials = new Set<string | undefined>()
    const bodies: (string | null)[] = []
    const rotating = new AbortController()
    const load = async (request: () => Promise<string | null>): Promise<void> => {
      while (!rotating.signal.aborted) bodies.push(await request())
    }
    const fresh = async (): Promise<string | null> => {
      const { body, serverSerial } = await call(loopback.port, web, { protocol })
      serials.add(serverSerial)
      return body
    }
    const loads = [load(() => kept.request()), load(fresh), load(fresh)]
    for (const svid of rotations) {
      source.put({ svid })
      await fresh()
    }
    rotating.abort()
    await Promise.all(loads)
    kept.close()
    expect(new Set(bodies)).toEqual(new Set([WEB_ID]))
    expect(loopback.identity.generation).toBe(21)
    expect(serials.size).toBeGreaterThan(15)
    expect(serials).toContain(rotations.at(-1)!.leaf.serialNumber)
    expect(kept.connections()).toBe(1)
  })
})

interface Kept {
  request(): Promise<string | null>
  connections(): number
  close(): void
}

function keptHttp1(port: number): Kept {
  const material = { cert: web.certificatesPem, key: web.privateKeyPem, rejectUnauthorized: false }
  const agent = new https.Agent({ keepAlive: true, maxSockets: 1, ...material })
  const ports = new Set<number | undefined>()
  return {
    request: () =>
      new Promise((resolve) => {
        https
          .get({ host: '127.0.0.1', port, agent }, (response) => {
            ports.add(response.socket.localPort)
            resolve(text(response))
          })
          .on('error', () => resolve(null))
      }),
    connections: () => ports.size,
    close: () => agent.destroy(),
  }
}

async function keptHttp2(port: number): Promise<Kept> {
  const socket = dial(port, web, { protocol: 'h2' })
  const session = http2.connect('https://localhost', { createConnection: () => socket })
  await once(session, 'remoteSettings')
  return {
    request: () => text(session.request({ ':path': '/' })).catch(() => null),
    connections: () => (session.destroyed ? 0 : 1),
    close: () => setImmediate(() => session.destroy()),
  }
}

const garbage = '-----BEGIN CERTIFICATE-----\nZ2FyYmFnZQ==\n-----END CERTIFICATE-----\n'

function broken(svid: X509Svid, overrides: Partial<Record<keyof X509Svid, unknown>>): X509Svid {
  return new Proxy(svid, {
    get: (target, name) => {
      if (Object.hasOwn(overrides, name)) return Reflect.get(overrides, name)
      const value: unknown = Reflect.get(target, name, target)
      return typeof value === 'function' ? value.bind(target) : value
    },
  })
}

describe('material that cannot be used', () => {
  test.each<[string, () => X509Svid]>([
    ['has no certificate', () => broken(second, { exportCertificatesPem: () => '' })],
    ['has a garbage certificate', () => broken(second, { exportCertificatesPem: () => garbage })],
    ['has no key', () => broken(second, { exportPrivateKeyPem: () => '' })],
    [
      'has the key of another',
      () => broken(second, { exportPrivateKeyPem: () => first.exportPrivateKeyPem() }),
    ],
    ['has expired', () => broken(second, { isExpired: () => true })],
  ])('because it %s leaves the last good one serving', async (_, make) => {
    const events = record('spiffe:server:svid-refused')
    const source = sourceOf(first)
    await using loopback = await Loopback.serve(source)
    source.put({ svid: make() })
    const answer = await call(loopback.port, web)
    const told = events.stop()
    expect(answer).toEqual({ body: WEB_ID, serverSerial: first.leaf.serialNumber })
    expect(loopback.identity).toMatchObject({ generation: 1, svid: first })
    expect(told).toMatchObject([{ code: 'invalid-material', generation: 1 }])
    expect(inspect([told, loopback.server], { depth: 20, showHidden: true })).not.toContain(
      'PRIVATE KEY',
    )
    source.put({ svid: second })
    expect((await call(loopback.port, web)).serverSerial).toBe(second.leaf.serialNumber)
  })

  test('makes no server', () => {
    const source = sourceOf(broken(first, { exportPrivateKeyPem: () => garbage }))
    expect(codeOf(() => createSvidServer(source))).toBe('invalid-material')
  })
})

describe('a source without an SVID', () => {
  test('makes no server', () => {
    expect(codeOf(() => createSvidServer(sourceOf(null)))).toBe('no-svid')
  })

  test.each([{}, { http2: true }, { http2: true, allowHTTP1: true }])(
    'stops presentation, and resumes it (%j)',
    async (options) => {
      const withdrawals = record('spiffe:server:svid-withdrawn')
      const source = sourceOf(first)
      await using loopback = await Loopback.serve(source, options)
      const protocol = options.http2 === true ? 'h2' : 'http/1.1'
      source.put({ svid: null, state: 'denied' })
      const refused = await call(loopback.port, web, { protocol })
      source.put({ svid: null, state: 'denied' })
      await Promise.resolve()
      const withdrawn = withdrawals.stop()
      expect(refused).toEqual({ body: null })
      expect(loopback.requests).toBe(0)
      expect(loopback.identity).toMatchObject({ svid: null, state: 'denied', generation: 1 })
      expect(withdrawn).toMatchObject([{ generation: 1 }])
      source.put({ svid: first, state: 'ready' })
      expect(await call(loopback.port, web, { protocol })).toEqual({
        body: WEB_ID,
        serverSerial: first.leaf.serialNumber,
      })
      expect(loopback.identity).toMatchObject({ svid: first, state: 'ready', generation: 2 })
    },
  )
})

describe('an SVID that expires', () => {
  test.each<[string, (source: HeldSource) => Promise<void> | void, object]>([
    ['while its source is closed', (source) => source.close(), {}],
    ['while its source is closed', (source) => source.close(), { http2: true }],
    ['while its source has failed', (source) => source.put({ state: 'failed' }), {}],
    ['while its source goes on giving it', () => {}, {}],
  ])('%s is presented no more (%#)', async (_, end, options) => {
    const withdrawals = record('spiffe:server:svid-withdrawn')
    let now = Date.now()
    const source = sourceOf(first)
    await using loopback = await Loopback.serve(source, { ...options, clock: () => now })
    await end(source)
    await Promise.resolve()
    const protocol = 'http2' in options ? 'h2' : 'http/1.1'
    const before = await call(loopback.port, web, { protocol })
    now = first.notAfter + 1000
    const held = loopback.identity.svid
    const refused = [
      await call(loopback.port, web, { protocol }),
      await call(loopback.port, web, { protocol }),
    ]
    expect(before).toMatchObject({ serverSerial: first.leaf.serialNumber })
    expect(held).toBe(null)
    expect(refused).toEqual([{ body: null }, { body: null }])
    expect(withdrawals.stop()).toMatchObject([{ server: loopback.server, generation: 1 }])
  })

  test('is presented no more by a server whose source throws', async () => {
    let now = Date.now()
    const source = sourceOf(first)
    await using loopback = await Loopback.serve(source, { clock: () => now })
    Object.defineProperty(source, 'svid', {
      get: () => {
        throw new Error('out of order')
      },
    })
    now = first.notAfter + 1000
    source.put({})
    await Promise.resolve()
    expect(await call(loopback.port, web)).toEqual({ body: null })
  })
})

describe('a server that closes', () => {
  test('stops following its source', async () => {
    const source = sourceOf(first)
    const loopback = await Loopback.serve(source)
    await loopback[Symbol.asyncDispose]()
    source.put({ svid: second })
    await Promise.resolve()
    expect(loopback.identity).toMatchObject({ generation: 1, svid: first })
  })

  test('leaves what it presents when only its identity is closed', async () => {
    const source = sourceOf(first)
    await using loopback = await Loopback.serve(source)
    source.put({ svid: second })
    loopback.identity.close()
    loopback.identity.close()
    expect((await call(loopback.port, web)).serverSerial).toBe(first.leaf.serialNumber)
  })
})

test.each([{}, { http2: true }])('no private key shows in the server (%j)', async (options) => {
  const source = sourceOf(first)
  await using loopback = await Loopback.serve(source, options)
  source.put({ svid: second })
  await call(loopback.port, web)
  const seen = inspect([loopback.server, loopback.identity], { depth: 20, showHidden: true })
  expect(seen).not.toContain('PRIVATE KEY')
})

describe('options', () => {
  test.each<[string, object]>([
    ['forbidden-option', { ticketKeys: Buffer.alloc(48) }],
    ['forbidden-option', { ca: [] }],
    ['forbidden-option', { cert: '' }],
    ['forbidden-option', { key: '' }],
    ['forbidden-option', { pfx: '' }],
    ['forbidden-option', { SNICallback: () => undefined }],
    ['forbidden-option', { http: { rejectUnauthorized: true } }],
    ['unknown-option', { clientCertificates: 'required' }],
    ['unknown-option', { http: { maxHeadersize: 1 } }],
    ['invalid-option', { clientCertificate: 'never' }],
    ['invalid-option', { minVersion: 'TLSv1.1' }],
    ['invalid-option', { handshakeTimeoutMs: 0 }],
    ['invalid-option', { handshakeTimeoutMs: Number.NaN }],
    ['invalid-option', { maxCachedVerdicts: 1.5 }],
    ['invalid-option', { allowHTTP1: true }],
  ])('are refused as %s: %p', (code, options) => {
    expect(codeOf(() => createSvidServer(sourceOf(first), options))).toBe(code)
  })

  test('a source is needed', () => {
    expect(codeOf(() => Reflect.apply(createSvidServer, undefined, [{}]))).toBe('invalid-option')
  })

  test('of the HTTP layer are passed on', async () => {
    await using loopback = await Loopback.serve(sourceOf(first), {
      http: { maxHeaderSize: 1024, keepAliveTimeout: 1234 },
    })
    expect(loopback.server).toMatchObject({ keepAliveTimeout: 1234 })
    const socket = dial(loopback.port, web)
    socket.write(`GET / HTTP/1.1\r\nHost: localhost\r\nX: ${'x'.repeat(2000)}\r\n\r\n`)
    expect(await text(socket)).toMatch(/^HTTP\/1\.1 431/)
  })
})

test('a server follows an authority through the rotation of SVIDs and of authorities', async () => {
  await using running = await Authority.create({ trustDomain: 'example.org' })
  const source = await running.source(SERVER_ID)
  const caller = await running.source(WEB_ID)
  const server = createSvidServer(source)
  const serials = new Set<string | undefined>()
  await using loopback = await Loopback.serve(source)
  const answer = async (): Promise<string | null> => {
    const { body, serverSerial } = await call(loopback.port, caller.svid)
    serials.add(serverSerial)
    return body
  }
  expect(await answer()).toBe(WEB_ID)
  await running.rotateSvids()
  expect(await answer()).toBe(WEB_ID)
  await running.rotateAuthority()
  expect(await answer()).toBe(WEB_ID)
  expect(serials.size).toBe(3)
  identityOf(server)?.close()
})
