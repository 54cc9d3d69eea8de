import { channel } from 'node:diagnostics_channel'
import dns from 'node:dns'
import { once } from 'node:events'
import type { Http2SecureServer } from 'node:http2'
import type { Server } from 'node:https'
import { connect } from 'node:net'
import { setImmediate } from 'node:timers/promises'
import { Authority, type InProcessSource } from '@fastify-spiffe/authority'
import {
  withRevocationLists,
  type SourceProblem,
  type X509MaterialSource,
  type X509Svid,
} from '@fastify-spiffe/spiffe'
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import Fastify from 'fastify'
import {
  dial,
  dialHttp2,
  get,
  getHttp2,
  listen,
  presentedSerial,
  type TestServer,
} from './client.test.helper.ts'
import { spiffeServer, svid } from './index.ts'

let authority: Authority
let client: X509Svid

beforeAll(async () => {
  authority = await Authority.create({ trustDomain: 'example.org' })
  client = await authority.issueX509Svid('spiffe://example.org/acme/web')
})

afterAll(() => authority.close())

function open(): Promise<InProcessSource> {
  return authority.source('spiffe://example.org/acme/orders')
}

/** A logger that keeps what it is told. */
function memory() {
  const lines: Record<string, unknown>[] = []
  const write = (line: string): void => void lines.push(JSON.parse(line))
  return { lines, logger: { level: 'info', stream: { write } } }
}

describe('a server of spiffeServer', () => {
  test('presents the SVID of its source, and after a rotation the new one, on the same connections', async () => {
    await using source = await open()
    await using app = Fastify({ ...spiffeServer(source), logger: false })
    await app.register(svid, { source })
    app.get('/', () => 'served')
    const place = await listen(app)
    const kept = await dial(place, client)
    const before = source.svid!

    expect(await presentedSerial(place, client)).toBe(before.leaf.serialNumber)
    await authority.rotateSvids()
    expect(source.svid!.equals(before)).toBe(false)
    expect(await presentedSerial(place, client)).toBe(source.svid!.leaf.serialNumber)

    kept.write('GET / HTTP/1.1\r\nhost: localhost\r\n\r\n')
    const [answer] = await once(kept, 'data')
    expect(String(answer)).toMatch(/^HTTP\/1\.1 200 OK/)
    kept.destroy()
  })

  test('speaks HTTP/2, and on the same port HTTP/1.1 where that is wanted', async () => {
    await using source = await open()
    await using app = Fastify({ ...spiffeServer(source, { http2: true, allowHTTP1: true }) })
    await app.register(svid, { source })
    app.get('/', (request) => request.raw.httpVersion)
    const place = await listen(app)
    const session = await dialHttp2(place, client)

    expect(await getHttp2(session)).toBe('2.0')
    expect(await get(place, client)).toBe('1.1')
    session.destroy()
  })

  test('has the type that its protocol makes', async () => {
    await using source = await open()
    await using https = Fastify(spiffeServer(source))
    await using http2 = Fastify(spiffeServer(source, { http2: true }))
    const servers: [Server, Http2SecureServer] = [https.server, http2.server]
    expect(servers.map((server) => server.listening)).toEqual([false, false])
  })

  test('cuts clients without a certificate, unless that is allowed', async () => {
    await using source = await open()
    await using strict = Fastify(spiffeServer(source))
    await using lenient = Fastify(spiffeServer(source, { clientCertificate: 'optional' }))
    strict.get('/', () => 'served')
    lenient.get('/', () => 'served')

    expect(await get(await listen(strict), null)).toBe(null)
    expect(await get(await listen(lenient), null)).toBe('served')
  })

  test('listens on one address for localhost, where Fastify would open a second server', async () => {
    await using source = await open()
    await using app = Fastify(spiffeServer(source))
    await using plain = Fastify()
    app.get('/', () => 'served')
    const place = await onTwoAddresses(() => app.listen({ host: 'localhost', port: 0 }))
    await onTwoAddresses(() => plain.listen({ host: 'localhost', port: 0 }))

    expect(plain.addresses()).toHaveLength(2)
    expect(app.addresses()).toHaveLength(1)
    expect(await get({ host: '127.0.0.1', port: Number(new URL(place).port) }, client)).toBe(
      'served',
    )
  })
})

/** Listens on a machine where `localhost` has two addresses. */
async function onTwoAddresses(listening: () => Promise<string>): Promise<string> {
  const { lookup } = dns
  Object.assign(dns, { lookup: twoAddresses })
  try {
    return await listening()
  } finally {
    Object.assign(dns, { lookup })
  }
}

type Answered = (error: null, addresses: unknown, family?: number) => void

/** Stands in for `dns.lookup`, with or without options. */
function twoAddresses(host: string, ...rest: [Answered] | [{ all?: boolean }, Answered]): void {
  const addresses = host === 'localhost' ? ['127.0.0.1', '127.0.0.2'] : [host]
  if (rest.length === 1) rest[0](null, addresses[0], 4)
  else
    rest[1](
      null,
      addresses.map((address) => ({ address, family: 4 })),
    )
}

function limitsOf({ server }: { server: Server }) {
  const { timeout, keepAliveTimeout, requestTimeout, maxRequestsPerSocket } = server
  return { timeout, keepAliveTimeout, requestTimeout, maxRequestsPerSocket }
}

describe('what Fastify leaves to a server factory', () => {
  test('its timeouts and limits are applied to the server', async () => {
    await using source = await open()
    const limits = { connectionTimeout: 1001, keepAliveTimeout: 1002, requestTimeout: 1003 }
    await using app = Fastify({ ...spiffeServer(source), ...limits, maxRequestsPerSocket: 4 })
    expect(app.server).toMatchObject({
      timeout: 1001,
      keepAliveTimeout: 1002,
      requestTimeout: 1003,
      maxRequestsPerSocket: 4,
    })
  })

  test('its defaults are those of a server that Fastify makes itself', async () => {
    await using source = await open()
    await using ours = Fastify(spiffeServer(source))
    await using theirs = Fastify({ https: {} })
    expect(limitsOf(ours)).toEqual(limitsOf(theirs))
  })

  test('an idle connection ends after keepAliveTimeout, also beside HTTP/2', async () => {
    await using source = await open()
    const options = { ...spiffeServer(source, { http2: true, allowHTTP1: true }) }
    await using app = Fastify({ ...options, keepAliveTimeout: 20 })
    app.get('/', () => 'served')
    const socket = await dial(await listen(app), client)
    socket.write('GET / HTTP/1.1\r\nhost: localhost\r\n\r\n')
    socket.resume()
    await once(socket, 'end')
    socket.destroy()
  })

  test('an idle HTTP/2 session ends after http2SessionTimeout', async () => {
    await using source = await open()
    await using app = Fastify({ ...spiffeServer(source, { http2: true }), http2SessionTimeout: 20 })
    const session = await dialHttp2(await listen(app), client)
    await once(session, 'close')
  })

  test('closing the application ends idle connections', async () => {
    await using source = await open()
    const app = Fastify(spiffeServer(source))
    app.get('/', () => 'served')
    const { ended } = await useOnce(await listen(app))
    await app.close()
    await ended
  })

  test('closing the application ends HTTP/2 sessions, and idle connections beside them', async () => {
    await using source = await open()
    const app = Fastify(spiffeServer(source, { http2: true, allowHTTP1: true }))
    app.get('/', () => 'served')
    const place = await listen(app)
    const { ended } = await useOnce(place)
    const session = await dialHttp2(place, client)
    expect(await getHttp2(session)).toBe('served')
    const closed = once(session, 'close')
    await app.close()
    await Promise.all([ended, closed])
  })
})

/** Leaves an open, idle connection behind. */
async function useOnce(place: TestServer): Promise<{ readonly ended: Promise<unknown> }> {
  const socket = await dial(place, client)
  const ended = once(socket, 'end').then(() => socket.destroy())
  socket.write('GET / HTTP/1.1\r\nhost: localhost\r\n\r\n')
  await once(socket, 'data')
  return { ended }
}

describe('an application does not boot', () => {
  test.each<[string, string, object]>([
    ['without a source', 'invalid-option', { source: undefined }],
    ['with an option that does not exist', 'unknown-option', { sauce: 1 }],
    ['with a bad closeSource', 'invalid-option', { closeSource: 'yes' }],
  ])('%s', async (_case, code, mistake) => {
    await using source = await open()
    await using app = Fastify(spiffeServer(source))
    // As a caller without a compiler would.
    const options = Object.assign({ source }, mistake)
    await expect(app.register(svid, options)).rejects.toMatchObject({
      name: 'SvidPluginError',
      code,
    })
  })

  test('on a server that spiffeServer did not make', async () => {
    await using source = await open()
    await using app = Fastify()
    await expect(app.register(svid, { source })).rejects.toMatchObject({
      code: 'not-a-spiffe-server',
    })
  })

  test('when the server has its SVID from another source', async () => {
    await using source = await open()
    await using other = await open()
    await using app = Fastify(spiffeServer(other))
    await expect(app.register(svid, { source })).rejects.toMatchObject({ code: 'source-mismatch' })
  })

  test('when svid is registered twice, one within the other', async () => {
    await using source = await open()
    await using app = Fastify(spiffeServer(source))
    await app.register(svid, { source })
    await expect(app.register(svid, { source })).rejects.toMatchObject({
      code: 'already-registered',
    })
  })

  test('with a source that was not awaited', async () => {
    const pending = open()
    const refusal = { code: 'invalid-option', message: expect.stringContaining('await') }
    const misused = pending as unknown as InProcessSource
    expect(() => spiffeServer(misused)).toThrow(expect.objectContaining(refusal))
    await using source = await pending
    await using app = Fastify(spiffeServer(source))
    await expect(app.register(svid, { source: misused })).rejects.toMatchObject(refusal)
  })

  test('with a rule that nothing enforces, whatever was registered', async () => {
    await using source = await open()
    const config = { spiffe: { anyAuthenticated: true } } as object
    for (const plugins of [[], [svid]]) {
      await using app = Fastify(spiffeServer(source))
      app.register(async (child) => void child.get('/early', { config }, () => 'open'))
      for (const plugin of plugins) await app.register(plugin, { source })
      app.get('/late', { config }, () => 'open')
      await expect(app.ready()).rejects.toMatchObject({
        code: 'unenforced-rules',
        message: expect.stringMatching(/^(?=[^]*GET \/early)(?=[^]*GET \/late)/),
      })
    }
  })

  test('with a rule that a later onRoute hook took away, and no other reason', async () => {
    await using source = await open()
    const config = { spiffe: { anyAuthenticated: true } } as object
    for (const url of ['/ruled', '/free']) {
      await using app = Fastify(spiffeServer(source))
      app.addHook('onRoute', (route) => void Object.assign(route, { config: null }))
      app.get(url, url === '/ruled' ? { config } : {}, () => 'open')
      const outcome = app.ready().then(
        () => 'ready',
        ({ code }: { code: string }) => code,
      )
      expect(await outcome).toBe(url === '/ruled' ? 'unenforced-rules' : 'ready')
    }
  })

  test('when options of Fastify contradict those of spiffeServer', async () => {
    await using source = await open()
    const mistakes = [
      () => Fastify({ ...spiffeServer(source), https: { minVersion: 'TLSv1.2' } }),
      () => Fastify({ ...spiffeServer(source), https: null }),
      () => Fastify({ ...spiffeServer(source, { http2: true }), http2: false } as object),
      () => Fastify({ ...spiffeServer(source), http2: true } as object),
      () => spiffeServer(source, { http: { keepAliveTimeout: 1 } as object }),
    ]
    for (const mistake of mistakes) {
      expect(mistake).toThrow(expect.objectContaining({ code: 'invalid-option' }))
    }
  })

  test('but does with a copy of the options, as whoever merges options makes it', async () => {
    await using source = await open()
    for (const http2 of [false, true] as const) {
      const options = spiffeServer(source, { http2 } as { http2: true })
      await using app = Fastify({ ...options, https: { ...options.https } })
      await app.register(svid, { source })
      await app.ready()
      expect(String(app.svid.spiffeId)).toBe('spiffe://example.org/acme/orders')
    }
  })

  test('with an option of spiffeServer that does not exist, or that would bypass the verifier', async () => {
    await using source = await open()
    const boot = (options: object) => () => Fastify(spiffeServer(source, options))
    expect(boot({ htpp2: true })).toThrow(expect.objectContaining({ code: 'unknown-option' }))
    expect(boot({ ca: 'x' })).toThrow(expect.objectContaining({ code: 'forbidden-option' }))
    expect(boot({ http2: 'yes' })).toThrow(expect.objectContaining({ code: 'invalid-option' }))
  })

  test('while the source has no SVID', async () => {
    await using source = await open()
    source.deny()
    expect(() => Fastify(spiffeServer(source))).toThrow(
      expect.objectContaining({ code: 'no-svid' }),
    )
  })
})

describe('fastify.svid', () => {
  test('says what is on the wire, and follows it', async () => {
    await using source = await open()
    await using app = Fastify(spiffeServer(source))
    await app.register(svid, { source })
    const first = source.svid!
    expect(app.svid).toMatchObject({
      spiffeId: first.spiffeId,
      notBefore: first.notBefore,
      notAfter: first.notAfter,
      generation: 1,
      state: 'ready',
    })

    await authority.rotateSvids()
    await setImmediate()
    expect(app.svid.generation).toBe(2)

    source.deny()
    await setImmediate()
    const nothing = { spiffeId: null, notBefore: null, notAfter: null }
    expect(JSON.parse(JSON.stringify(app.svid))).toEqual({
      ...nothing,
      generation: 2,
      state: 'denied',
    })
  })

  test('cannot be set', async () => {
    await using source = await open()
    await using app = Fastify(spiffeServer(source))
    await app.register(svid, { source })
    expect(() => Object.assign(app.svid, { generation: 9 })).toThrow(TypeError)
    expect(() => Object.assign(app.svid, { other: 9 })).toThrow(TypeError)
    expect(app.svid.generation).toBe(1)
  })
})

describe('the log tells', () => {
  test('a rotation of its own server, and of no other', async () => {
    await using source = await open()
    await using neighbour = await open()
    const { lines, logger } = memory()
    await using app = Fastify({ ...spiffeServer(source), logger })
    await using other = Fastify(spiffeServer(neighbour))
    await app.register(svid, { source })
    await other.register(svid, { source: neighbour })

    await authority.rotateSvids()
    await setImmediate()
    expect(lines).toEqual([
      expect.objectContaining({
        msg: 'SVID rotated',
        spiffeId: 'spiffe://example.org/acme/orders',
        serialNumber: source.svid!.leaf.serialNumber,
        generation: 2,
      }),
    ])
  })

  test('a client that was cut, with the reason', async () => {
    await using source = await open()
    const { lines, logger } = memory()
    await using app = Fastify({ ...spiffeServer(source), logger })
    await using other = Fastify(spiffeServer(source))
    await app.register(svid, { source })
    await get(await listen(other), null)
    await get(await listen(app), null)
    expect(lines.filter(({ msg }) => msg === 'client rejected at the handshake')).toEqual([
      expect.objectContaining({ level: 30, code: 'no-certificate', remoteAddress: '127.0.0.1' }),
    ])
  })

  test('the SPIFFE ID that a cut client claims, as one that nobody has verified', async () => {
    await using elsewhere = await Authority.create({ trustDomain: 'foreign.test' })
    await using source = await open()
    const { lines, logger } = memory()
    await using app = Fastify({ ...spiffeServer(source), logger })
    await app.register(svid, { source })
    await get(await listen(app), await elsewhere.issueX509Svid('spiffe://foreign.test/acme/web'))
    const cut = lines.filter(({ msg }) => msg === 'client rejected at the handshake')
    expect(cut).toMatchObject([
      {
        code: 'unknown-trust-domain',
        claimedSpiffeId: 'spiffe://foreign.test/acme/web',
        cure: expect.any(String),
      },
    ])
    expect(cut[0]).not.toHaveProperty('spiffeId')
  })

  test('a handshake that failed, with cause and cure, and port checks only where that is wanted', async () => {
    await using source = await open()
    const { lines, logger } = memory()
    await using app = Fastify({ ...spiffeServer(source), logger })
    await app.register(svid, { source })
    const { host, port } = await listen(app)
    const failed = async (attempt: () => void): Promise<void> => {
      const failure = once(app.server, 'tlsClientError')
      attempt()
      await failure
    }
    await failed(() => void connect(port, host).end())
    await failed(() => void connect(port, host).end('GET / HTTP/1.1\r\nhost: x\r\n\r\n'))
    expect(lines.filter(({ msg }) => msg === 'handshake failed')).toMatchObject([
      { level: 30, code: 'plain-http', reason: expect.stringContaining('https:') },
    ])
  })

  test('of many clients ten a second, and of the others how many they were', async () => {
    await using source = await open()
    const { lines, logger } = memory()
    let now = Date.now()
    await using app = Fastify({ ...spiffeServer(source, { clock: () => now }), logger })
    await app.register(svid, { source })
    const place = await listen(app)
    for (let clients = 0; clients < 13; clients++) await get(place, null)
    now += 1000
    await get(place, null)

    const cut = lines.filter(({ msg }) => msg === 'client rejected at the handshake')
    expect(cut.map(({ suppressed }) => suppressed)).toEqual([...Array(10).fill(undefined), 3])
  })

  test('an SVID that its server cannot use', async () => {
    await using source = await open()
    const { lines, logger } = memory()
    let now = Date.now()
    await using app = Fastify({ ...spiffeServer(source, { clock: () => now }), logger })
    await app.register(svid, { source })

    now += 2 * 3_600_000
    await authority.rotateSvids()
    await setImmediate()
    expect(app.svid.generation).toBe(1)
    expect(lines).toEqual([expect.objectContaining({ level: 50, code: 'invalid-material' })])
  })

  test('what its own source refused, and nothing of others', async () => {
    await using source = await open()
    const { lines, logger } = memory()
    await using app = Fastify({ ...spiffeServer(source), logger })
    await app.register(svid, { source: Object.assign(source, { endpoint: 'unix:///own.sock' }) })

    for (const endpoint of ['unix:///own.sock', 'unix:///other.sock']) {
      const event = { endpoint, code: 'invalid-svid', message: 'not DER' }
      channel('spiffe:svid:rejected').publish(event)
      channel('spiffe:bundle:rejected').publish(event)
    }
    expect(lines.map(({ code, reason }) => ({ code, reason }))).toEqual([
      { code: 'invalid-svid', reason: 'not DER' },
      { code: 'invalid-svid', reason: 'not DER' },
    ])
  })

  test('why the source is not ready: code, cause and cure, once each, and its recovery', async () => {
    await using source = await open()
    const { lines, logger } = memory()
    await using app = Fastify({ ...spiffeServer(source), logger })
    const endpoint = 'unix:///own.sock'
    const supply = Object.assign(source, { endpoint, error: null as SourceProblem | null })
    await app.register(svid, { source: supply })
    const fail = (code: string): void => {
      supply.error = { code, message: `${code}: start it` }
      channel('spiffe:source:problem').publish({ endpoint, state: 'stale', code })
      channel('spiffe:source:problem').publish({ endpoint: 'unix:///other.sock', code: 'other' })
    }
    // The stream ends without a word; why, the next attempt says.
    source.interrupt()
    fail('unreachable')
    fail('unreachable')
    fail('no-identity')
    supply.error = null
    source.resume()
    source.interrupt()
    fail('unreachable')
    expect(lines.map(({ level, state, code, reason }) => [level, state, code, reason])).toEqual([
      [40, 'stale', undefined, undefined],
      [40, 'stale', 'unreachable', 'unreachable: start it'],
      [40, 'stale', 'no-identity', 'no-identity: start it'],
      [30, 'ready', undefined, undefined],
      [40, 'stale', undefined, undefined],
      [40, 'stale', 'unreachable', 'unreachable: start it'],
    ])
  })

  test('why it is not ready also through a source with further revocation lists', async () => {
    await using source = await open()
    const { lines, logger } = memory()
    const error = { code: 'unreachable', message: 'start it' }
    const wrapped = withRevocationLists(
      Object.assign(source, { endpoint: 'unix:///own.sock', error }),
    )
    await using app = Fastify({ ...spiffeServer(wrapped), logger })
    await app.register(svid, { source: wrapped })
    source.interrupt()
    channel('spiffe:svid:rejected').publish({
      endpoint: 'unix:///own.sock',
      code: 'invalid-svid',
      message: 'not DER',
    })
    expect(lines.map(({ code }) => code)).toEqual(['unreachable', 'invalid-svid'])
  })

  test('of a source that goes up and down without end ten lines', async () => {
    await using source = await open()
    const { lines, logger } = memory()
    await using app = Fastify({ ...spiffeServer(source), logger })
    await app.register(svid, { source })
    for (let times = 0; times < 50; times++) {
      source.interrupt()
      source.resume()
    }
    expect(lines).toHaveLength(10)
  })

  test('of an agent that sends what is refused without end ten lines', async () => {
    await using source = await open()
    Object.assign(source, { endpoint: 'unix:///own.sock' })
    const { lines, logger } = memory()
    await using app = Fastify({ ...spiffeServer(source), logger })
    await app.register(svid, { source })
    const refusal = { endpoint: 'unix:///own.sock', code: 'not-yet-valid', message: 'not yet' }
    for (let times = 0; times < 50; times++) channel('spiffe:svid:rejected').publish(refusal)
    expect(lines).toHaveLength(10)
  })

  test('that the own SVID has expired', async () => {
    let now = Date.now()
    const timers: (() => void)[] = []
    await using own = await Authority.create({
      trustDomain: 'example.org',
      clock: () => now,
      setTimer: (callback) => {
        timers.push(callback)
        return () => undefined
      },
    })
    const shape = { notAfter: now + 60_000 }
    await using source = await own.source('spiffe://example.org/acme/orders', { template: shape })
    const { lines, logger } = memory()
    await using app = Fastify({ ...spiffeServer(source, { clock: () => now }), logger })
    await app.register(svid, { source })
    now += 61_000
    for (const ring of timers.splice(0)) ring()
    await setImmediate()
    expect(app.svid.spiffeId).toBe(null)
    expect(lines).toContainEqual(expect.objectContaining({ level: 50, state: 'expired' }))
  })

  test('that the own SVID has expired after its source ended', async () => {
    let now = Date.now()
    const source = await open()
    const { lines, logger } = memory()
    await using app = Fastify({ ...spiffeServer(source, { clock: () => now }), logger })
    await app.register(svid, { source, closeSource: false })
    const place = await listen(app)
    await source.close()
    now = app.svid.notAfter! + 1000
    expect(app.svid.spiffeId).toBe(null)
    await expect(get(place, client)).rejects.toThrow()
    expect(lines).toContainEqual(
      expect.objectContaining({
        level: 50,
        state: 'closed',
        msg: 'SVID has expired: new handshakes fail',
      }),
    )
  })

  test('where the source stands, once for each change', async () => {
    await using source = await open()
    const { lines, logger } = memory()
    await using app = Fastify({ ...spiffeServer(source), logger })
    await app.register(svid, { source })
    source.interrupt()
    source.resume()
    source.deny()
    source.deny()
    expect(lines.map(({ level, state }) => ({ level, state }))).toEqual([
      { level: 40, state: 'stale' },
      { level: 30, state: 'ready' },
      { level: 50, state: 'denied' },
    ])
  })
})

describe('closing the application', () => {
  test('ends what the plugin follows, and leaves the source to whoever opened it', async () => {
    await using source = await open()
    const { lines, logger } = memory()
    const app = Fastify({ ...spiffeServer(source), logger })
    await app.register(svid, { source, closeSource: false })
    await app.ready()
    await app.close()

    lines.length = 0
    await authority.rotateSvids()
    await setImmediate()
    expect(app.svid.generation).toBe(1)
    expect(source.state).toBe('ready')
    expect(lines).toEqual([])
  })

  test('closes the source as well where an option says so', async () => {
    const source = await open()
    const app = Fastify(spiffeServer(source))
    await app.register(svid, { source, closeSource: true })
    await listen(app)
    await app.close()
    expect(source.state).toBe('closed')
  })
})

describe('the source of an application that closes', () => {
  test('is closed, unless that is not wanted', async () => {
    for (const [options, state] of [
      [{}, 'closed'],
      [{ closeSource: true }, 'closed'],
      [{ closeSource: false }, 'ready'],
    ] as const) {
      await using source = await open()
      const app = Fastify(spiffeServer(source))
      await app.register(svid, { source, ...options })
      await listen(app)
      await app.close()
      expect(source.state).toBe(state)
    }
  })

  test('stays open while another server follows it, which is served its rotations', async () => {
    await using source = await open()
    const apps = [Fastify(spiffeServer(source)), Fastify(spiffeServer(source))]
    for (const app of apps) await app.register(svid, { source })
    const [, place] = [await listen(apps[0]!), await listen(apps[1]!)]
    await apps[0]!.close()
    expect(source.state).toBe('ready')
    await authority.rotateSvids()
    expect(await presentedSerial(place, client)).toBe(source.svid!.leaf.serialNumber)
    await apps[1]!.close()
    expect(source.state).toBe('closed')
  })

  test('stays open while somebody else has subscribed to it, or to what stands on it', async () => {
    await using source = await open()
    const listed = withRevocationLists(source)
    const unsubscribe = source.onUpdate(() => undefined)
    const app = Fastify(spiffeServer(listed))
    await app.register(svid, { source: listed })
    await listen(app)
    await app.close()
    expect(source.state).toBe('ready')
    unsubscribe()
    await listed.close()
    expect(source.state).toBe('closed')
  })

  test('is known to be shared among servers although it counts nobody', async () => {
    await using held = await open()
    // A source of someone else's: the contract does not ask it to count.
    const source: X509MaterialSource = {
      get svid() {
        return held.svid
      },
      get bundles() {
        return held.bundles
      },
      get state() {
        return held.state
      },
      onUpdate: (listener) => held.onUpdate(listener),
      nextUpdate: (options) => held.nextUpdate(options),
      close: () => held.close(),
      [Symbol.asyncDispose]: () => held.close(),
    }
    const apps = [Fastify(spiffeServer(source)), Fastify(spiffeServer(source))]
    for (const app of apps) await app.register(svid, { source })
    for (const app of apps) await listen(app)
    await apps[0]!.close()
    expect(held.state).toBe('ready')
    await apps[1]!.close()
    expect(held.state).toBe('closed')
  })
})
