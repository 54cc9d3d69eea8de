import { once } from 'node:events'
import type { IncomingMessage } from 'node:http'
import https from 'node:https'
import net from 'node:net'
import { text } from 'node:stream/consumers'
import { TLSSocket } from 'node:tls'
import { inspect } from 'node:util'
import { mintRootCa, type MintedCa } from '@fastify-spiffe/authority'
import {
  matchAny,
  BundleSet,
  matchId,
  matchMemberOf,
  RevocationList,
  SpiffeIdMatcher,
  type X509Svid,
} from '@fastify-spiffe/spiffe'
import { beforeAll, describe, expect, test } from '@jest/globals'
import { connect, isCurrent, peerOf, SvidAgent, TlsError } from '../index.ts'
import type { ConnectOptions } from './connect-options.ts'
import {
  bundlesOf,
  callInSession,
  HeldSource,
  Loopback,
  portOf,
  record,
} from '../loopback.test.helper.ts'

const SERVER_ID = 'spiffe://example.org/server'
const WEB_ID = 'spiffe://example.org/acme/web'
const HOST = '127.0.0.1'

let authority: MintedCa
let foreign: MintedCa
let server: HeldSource
let web: HeldSource

async function svidOf(ca: MintedCa, name: string): Promise<X509Svid> {
  return (await ca.mint(name)).toX509Svid()
}

beforeAll(async () => {
  authority = await mintRootCa('example.org')
  foreign = await mintRootCa('foreign.test')
  server = new HeldSource(await svidOf(authority, SERVER_ID), bundlesOf(authority))
  web = new HeldSource(await svidOf(authority, WEB_ID), bundlesOf(authority))
})

async function failure(promise: Promise<unknown>): Promise<TlsError> {
  try {
    await promise
  } catch (error) {
    if (error instanceof TlsError) return error
    throw error
  }
  throw new Error('it did not fail')
}

describe('connect', () => {
  test('resolves with a socket whose peer has proven the SPIFFE ID that was wanted', async () => {
    await using loopback = await Loopback.serve(server)
    const socket = await connect({
      source: web,
      host: HOST,
      port: loopback.port,
      server: matchId(SERVER_ID),
    })
    const peer = peerOf(socket)!
    expect(peer.spiffeId.toString()).toBe(SERVER_ID)
    expect(isCurrent(peer, Date.now())).toBe(true)
    expect(socket.authorized).toBe(true)
    expect(inspect(socket, { depth: 10, showHidden: true })).not.toContain('PRIVATE KEY')
    socket.write('GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n')
    expect(await text(socket)).toContain(WEB_ID)
  })

  test.each([SERVER_ID, 'spiffe://example.org/*'])('takes %s for a matcher', async (wanted) => {
    await using loopback = await Loopback.serve(server)
    const target = { source: web, host: HOST, port: loopback.port }
    const socket = await connect({ ...target, server: wanted })
    expect(peerOf(socket)?.spiffeId.toString()).toBe(SERVER_ID)
    socket.destroy()
    const refused = await failure(connect({ ...target, server: 'spiffe://example.org/other' }))
    expect(refused).toMatchObject({ code: 'server-not-allowed' })
  })

  test('reaches a server behind intermediates, by name, over HTTP/2', async () => {
    const intermediate = await (await authority.mintCa()).mintCa()
    const source = new HeldSource(await svidOf(intermediate, SERVER_ID), bundlesOf(authority))
    await using loopback = await Loopback.serve(source, { http2: true })
    const socket = await connect({
      source: web,
      host: 'localhost',
      port: loopback.port,
      server: matchMemberOf('example.org'),
      alpnProtocols: ['h2'],
      lookup: (_name, _options, callback) => callback(null, [{ address: HOST, family: 4 }]),
    })
    expect(socket.alpnProtocol).toBe('h2')
    socket.destroy()
  })

  test('refuses a server of a domain that is not federated, and one with another SPIFFE ID', async () => {
    const events = record('spiffe:peer:rejected')
    const elsewhere = new HeldSource(
      await svidOf(foreign, 'spiffe://foreign.test/server'),
      server.bundles,
    )
    await using stranger = await Loopback.serve(elsewhere)
    await using known = await Loopback.serve(server)
    const options = { source: web, host: HOST }
    const refused = await failure(connect({ ...options, port: stranger.port, server: matchAny() }))
    const other = await failure(connect({ ...options, port: known.port, server: matchId(WEB_ID) }))
    expect(refused).toMatchObject({ code: 'server-refused', rejection: 'unknown-trust-domain' })
    expect(other).toMatchObject({ code: 'server-not-allowed' })
    expect(events.stop()).toMatchObject([
      { side: 'client', code: 'unknown-trust-domain' },
      { side: 'client', code: 'server-not-allowed' },
    ])
  })

  test('refuses every server when a matcher answers with anything but true', async () => {
    await using loopback = await Loopback.serve(server)
    // Written without types, a matcher can be asynchronous: a promise is truthy.
    const matcher = Object.assign(Object.create(SpiffeIdMatcher.prototype), {
      matches: async () => false,
      toString: () => 'later',
    })
    const options = { source: web, host: HOST, port: loopback.port, server: matcher }
    expect(await failure(connect(options))).toMatchObject({ code: 'server-not-allowed' })
    expect(loopback.requests).toBe(0)
  })

  test('presents the SVID of the moment', async () => {
    await using loopback = await Loopback.serve(server)
    const source = new HeldSource(web.svid, web.bundles)
    const seen: string[] = []
    loopback.server.on('secureConnection', (socket: TLSSocket) => {
      seen.push(peerOf(socket)!.serialNumber)
    })
    const options = { source, host: HOST, port: loopback.port, server: matchAny() }
    const accepted = once(loopback.server, 'secureConnection')
    const before = await connect(options)
    await accepted
    const next = await svidOf(authority, WEB_ID)
    source.put({ svid: next })
    const acceptedAgain = once(loopback.server, 'secureConnection')
    const after = await connect(options)
    await acceptedAgain
    expect(seen).toEqual([web.svid!.leaf.serialNumber, next.leaf.serialNumber])
    source.put({ svid: null, state: 'denied' })
    expect(await failure(connect(options))).toMatchObject({ code: 'no-svid' })
    before.destroy()
    after.destroy()
  })

  test('fails when nobody listens, when nobody answers in time, and when it is aborted', async () => {
    const silent = net.createServer()
    const sockets: net.Socket[] = []
    silent.on('connection', (socket) => sockets.push(socket))
    silent.listen(0, HOST)
    await once(silent, 'listening')
    const port = portOf(silent)
    const options = { source: web, host: HOST, port, server: matchAny() }
    expect(await failure(connect({ ...options, timeoutMs: 20 }))).toMatchObject({
      code: 'connect-timeout',
    })
    const reason = new Error('enough')
    const stop = new AbortController()
    const stopped = connect({ ...options, signal: stop.signal })
    stop.abort(reason)
    await expect(stopped).rejects.toBe(reason)
    await expect(connect({ ...options, signal: stop.signal })).rejects.toBe(reason)
    for (const socket of sockets) socket.destroy()
    silent.close()
    await once(silent, 'close')
    expect(await failure(connect(options))).toMatchObject({
      code: 'connect-failed',
      cause: { code: 'ECONNREFUSED' },
    })
  })

  test('fails when the other side is no TLS server, or hangs up', async () => {
    for (const greeting of ['HTTP/1.1 400 Bad Request\r\n\r\n', '']) {
      const plain = net.createServer((socket) => {
        // Without an end of what the client says the connection would stay half open.
        socket
          .on('error', () => undefined)
          .resume()
          .end(greeting)
      })
      plain.listen(0, HOST)
      await once(plain, 'listening')
      const port = portOf(plain)
      const refused = connect({ source: web, host: HOST, port, server: matchAny() })
      expect(await failure(refused)).toMatchObject({ code: 'connect-failed' })
      plain.close()
    }
  })

  test.each<[string, object]>([
    ['invalid-option', { server: undefined }],
    ['invalid-option', { server: 'spiffe://example.org' }],
    ['invalid-option', { server: 'https://example.org/web' }],
    ['invalid-option', { server: [matchAny()] }],
    ['invalid-option', { host: '' }],
    ['invalid-option', { port: 0 }],
    ['invalid-option', { timeoutMs: 2 ** 31 }],
    ['invalid-option', { minVersion: 'TLSv1' }],
    ['invalid-option', { revocation: 'hard' }],
    ['invalid-option', { source: {} }],
    ['forbidden-option', { session: Buffer.alloc(0) }],
    ['forbidden-option', { rejectUnauthorized: false }],
    ['unknown-option', { hostname: HOST }],
    ['unknown-option', { revocation: { otherwise: 'off' } }],
  ])('is refused as %s with %p', async (code, change) => {
    const options: ConnectOptions = {
      source: web,
      host: HOST,
      port: 1,
      server: matchAny(),
      ...change,
    }
    expect(await failure(connect(options))).toMatchObject({ code })
  })
})

function request(agent: SvidAgent, port: number, options: object = {}): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    https.get({ ...options, host: HOST, port, agent }, resolve).on('error', reject)
  })
}

async function bodyFrom(agent: SvidAgent, port: number): Promise<string> {
  return text(await request(agent, port))
}

// The socket goes back to the pool a turn after the response has ended.
async function idle(agent: SvidAgent): Promise<void> {
  while (Object.keys(agent.freeSockets).length === 0) {
    await new Promise((resolve) => {
      setImmediate(resolve)
    })
  }
}

async function attempt(to: Loopback, wanted: SpiffeIdMatcher): Promise<string> {
  const agent = new SvidAgent({ source: web, server: wanted, keepAlive: true })
  const { code } = await failure(request(agent, to.port))
  agent.destroy()
  return code
}

describe('SvidAgent', () => {
  test('sends no byte of a request to a server that is not the one that was meant', async () => {
    const elsewhere = new HeldSource(
      await svidOf(foreign, 'spiffe://foreign.test/server'),
      bundlesOf(authority),
    )
    await using stranger = await Loopback.serve(elsewhere)
    await using known = await Loopback.serve(server)
    expect(await attempt(stranger, matchAny())).toBe('server-refused')
    expect(await attempt(known, matchId(WEB_ID))).toBe('server-not-allowed')
    expect([stranger.requests, known.requests]).toEqual([0, 0])
  })

  test('uses an idle connection again', async () => {
    await using loopback = await Loopback.serve(server)
    const agent = new SvidAgent({ source: web, server: matchId(SERVER_ID), keepAlive: true })
    expect(await bodyFrom(agent, loopback.port)).toBe(WEB_ID)
    await idle(agent)
    expect(await bodyFrom(agent, loopback.port)).toBe(WEB_ID)
    expect(loopback.identity.counters.accepted).toBe(1)
    agent.destroy()
  })

  test('does not use an idle connection again after its own SVID was replaced', async () => {
    await using loopback = await Loopback.serve(server)
    const source = new HeldSource(web.svid, web.bundles)
    const agent = new SvidAgent({ source, server: matchId(SERVER_ID), keepAlive: true })
    await bodyFrom(agent, loopback.port)
    await idle(agent)
    source.put({ svid: await svidOf(authority, WEB_ID) })
    expect(await bodyFrom(agent, loopback.port)).toBe(WEB_ID)
    expect(loopback.identity.counters.accepted).toBe(2)
    agent.destroy()
  })

  test("does not use an idle connection again after the server's authority has gone", async () => {
    await using loopback = await Loopback.serve(server)
    const source = new HeldSource(web.svid, web.bundles)
    const agent = new SvidAgent({ source, server: matchId(SERVER_ID), keepAlive: true })
    await bodyFrom(agent, loopback.port)
    await idle(agent)
    source.put({ bundles: bundlesOf(await mintRootCa('example.org')) })
    expect(await failure(request(agent, loopback.port))).toMatchObject({ code: 'server-refused' })
    expect(loopback.requests).toBe(1)
    agent.destroy()
  })

  test('does not use a connection again whose server has expired', async () => {
    await using loopback = await Loopback.serve(server)
    let now = Date.now()
    const agent = new SvidAgent({
      source: web,
      server: matchAny(),
      keepAlive: true,
      clock: () => now,
    })
    await bodyFrom(agent, loopback.port)
    await idle(agent)
    now = server.svid!.notAfter + 1000
    const error = await failure(request(agent, loopback.port))
    expect(error).toMatchObject({ code: 'server-refused', rejection: 'expired' })
    expect(loopback.requests).toBe(1)
    agent.destroy()
  })

  test('does not use an idle connection again after its server was revoked', async () => {
    await using loopback = await Loopback.serve(server)
    const source = new HeldSource(web.svid, web.bundles)
    const options = { source, server: matchAny(), keepAlive: true }
    const agent = new SvidAgent(options)
    await bodyFrom(agent, loopback.port)
    await idle(agent)
    const revoked = [server.svid!.leaf.serialNumber]
    const list = RevocationList.fromDer(await authority.mintRevocationList({ revoked }))
    const bundle = web.bundles.get(authority.trustDomain)!
    source.put({ bundles: web.bundles.with(bundle.withRevocationLists([list])) })
    const error = await failure(request(agent, loopback.port))
    expect(error).toMatchObject({ code: 'server-refused', rejection: 'revoked' })
    expect(loopback.requests).toBe(1)
    const careless = new SvidAgent({ ...options, revocation: 'off' })
    expect(await bodyFrom(careless, loopback.port)).toBe(WEB_ID)
    for (const each of [agent, careless]) each.destroy()
  })

  test('does not hand a stale connection to a request that waits for one', async () => {
    await using loopback = await Loopback.serve(server)
    const source = new HeldSource(web.svid, web.bundles)
    const agent = new SvidAgent({ source, server: matchAny(), keepAlive: true, maxSockets: 1 })
    await bodyFrom(agent, loopback.port)
    await idle(agent)
    const next = await svidOf(authority, WEB_ID)
    const first = bodyFrom(agent, loopback.port)
    const waiting = bodyFrom(agent, loopback.port)
    source.put({ svid: next })
    expect(await Promise.all([first, waiting])).toEqual([WEB_ID, WEB_ID])
    expect(loopback.identity.counters.accepted).toBe(2)
    agent.destroy()
  })

  test('fails requests while there is no SVID to present', async () => {
    await using loopback = await Loopback.serve(server)
    const source = new HeldSource(null, BundleSet.empty)
    const agent = new SvidAgent({ source, server: matchAny() })
    expect(await failure(request(agent, loopback.port))).toMatchObject({ code: 'no-svid' })
    agent.destroy()
  })

  test('resumes no session of a server that lets every other client resume', async () => {
    await using loopback = await Loopback.serve(server, { sessionTicketLifetimeMs: 60_000 })
    const resumed: boolean[] = []
    loopback.server.on('secureConnection', (socket: TLSSocket) => {
      resumed.push(socket.isSessionReused())
    })
    const { issued } = await callInSession(loopback.port, web.svid)
    await callInSession(loopback.port, web.svid, { session: issued[0]! })
    expect(resumed.splice(0)).toEqual([false, true])

    const agent = new SvidAgent({ source: web, server: matchAny() })
    for (const _ of Array.from({ length: 3 })) await bodyFrom(agent, loopback.port)
    // Node passes on to agents what a request says.
    expect(await text(await request(agent, loopback.port, { session: issued[0]! }))).toBe(WEB_ID)
    const options = { source: web, host: HOST, port: loopback.port, server: matchAny() }
    for (const _ of Array.from({ length: 2 })) {
      const accepted = once(loopback.server, 'secureConnection')
      const socket = await connect(options)
      await accepted
      socket.destroy()
    }
    expect(resumed).toEqual(resumed.map(() => false))
    expect(resumed).toHaveLength(6)
    agent.destroy()
  })

  test.each<[string, object]>([
    ['invalid-option', { server: undefined }],
    ['invalid-option', { revocation: { default: 'no' } }],
    ['forbidden-option', { ca: [] }],
    ['forbidden-option', { maxCachedSessions: 10 }],
    ['unknown-option', { maxSocket: 1 }],
  ])('is refused as %s with %p', (code, change) => {
    const options = { source: web, server: matchAny(), ...change }
    expect(() => new SvidAgent(options)).toThrow(expect.objectContaining({ code }))
  })
})
