import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { EventEmitter, once } from 'node:events'
import { createServer } from 'node:http'
import net from 'node:net'
import { Authority, type InProcessSource } from '@fastify-spiffe/authority'
import type { X509Svid } from '@fastify-spiffe/spiffe'
import { spiffeServer } from '@fastify-spiffe/svid'
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import Fastify, { type FastifyInstance, type RawServerBase } from 'fastify'
import { ask, askHttp2, dial, dialHttp2, listen } from './client.test.helper.ts'
import { peer, PeerError, type Peer } from './index.ts'
import { injectAs } from './test-kit/index.ts'

const WEB = 'spiffe://example.org/acme/web'

let authority: Authority
let source: InProcessSource
let client: X509Svid

const published = new EventEmitter()

function onLapse(): void {
  published.emit('lapse')
}

beforeAll(async () => {
  subscribe('spiffe:peer:lapsed', onLapse)
  authority = await Authority.create({ trustDomain: 'example.org' })
  source = await authority.source('spiffe://example.org/acme/orders')
  client = await authority.issueX509Svid(WEB)
})

afterAll(async () => {
  unsubscribe('spiffe:peer:lapsed', onLapse)
  await authority.close()
})

/** Makes an application answer `/` with the SPIFFE ID of its caller. */
function greet<Server extends RawServerBase>(app: FastifyInstance<Server>): void {
  app.get('/', (request) => String(request.spiffeId))
}

/** A trust domain of its own, where the authority of a caller can be removed. */
class Realm implements AsyncDisposable {
  readonly #authority: Authority
  readonly source: InProcessSource
  readonly caller: X509Svid

  private constructor(realm: Authority, served: InProcessSource, caller: X509Svid) {
    this.#authority = realm
    this.source = served
    this.caller = caller
  }

  static async create(): Promise<Realm> {
    const realm = await Authority.create({ trustDomain: 'example.org' })
    const served = await realm.source('spiffe://example.org/acme/orders')
    return new Realm(realm, served, await realm.issueX509Svid(WEB))
  }

  /** Makes an application take a request for `/`, and answer when it is released. */
  hold<Server extends RawServerBase>(app: FastifyInstance<Server>) {
    const events = new EventEmitter()
    const released = once(events, 'release')
    app.get('/', async (request) => {
      events.emit('arrival')
      await released
      return `goodbye ${String(request.spiffeId)}`
    })
    return { arrival: once(events, 'arrival'), release: () => events.emit('release') }
  }

  async distrustCaller(): Promise<void> {
    await this.#authority.rotateAuthority()
    const lapsed = once(published, 'lapse')
    await this.#authority.removeAuthority()
    // The server checks its connections after that, and in turns of the event loop.
    await lapsed
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#authority.close()
  }
}

function portOf(server: net.Server): number {
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('not listening on a port')
  return address.port
}

describe('a request', () => {
  test('carries the identity that its caller has proven, frozen, the same for the whole connection', async () => {
    await using app = Fastify(spiffeServer(source))
    await app.register(peer)
    const peers: unknown[] = []
    app.get('/', (request) => {
      peers.push(request.peer)
      return String(request.spiffeId)
    })
    const socket = await dial(await listen(app), client)

    expect((await ask(socket)).body).toBe(WEB)
    await ask(socket)
    expect(peers[0]).toMatchObject({
      spiffeId: client.spiffeId,
      trustDomain: client.spiffeId.trustDomain,
      notAfter: client.notAfter,
      fingerprint256: client.leaf.fingerprint256,
      serialNumber: client.leaf.serialNumber,
      proof: 'x509-svid',
    })
    expect(Object.isFrozen(peers[0])).toBe(true)
    expect(peers[1]).toBe(peers[0])
    socket.destroy()
  })

  test('carries it on HTTP/2, for each stream and after the session has ended', async () => {
    await using app = Fastify(spiffeServer(source, { http2: true }))
    await app.register(peer)
    greet(app)
    app.get('/hang', (_request, reply) => {
      reply.hijack()
      reply.raw.writeHead(200)
      reply.raw.write('hanging')
    })
    const afterwards = new Promise((resolve) => {
      app.addHook('onResponse', async (request) => {
        if (request.url === '/hang')
          resolve({ id: String(request.spiffeId), session: request.raw.stream.session })
      })
    })
    const session = await dialHttp2(await listen(app), client)
    const answers = await Promise.all([askHttp2(session), askHttp2(session)])
    expect(answers.map(({ body }) => body)).toEqual([WEB, WEB])

    const hanging = session.request({ ':path': '/hang' })
    hanging.on('error', () => undefined)
    await once(hanging, 'response')
    session.destroy()
    expect(await afterwards).toEqual({ id: WEB, session: undefined })
  })

  test('carries nothing that a header says', async () => {
    await using app = Fastify(spiffeServer(source, { clientCertificate: 'optional' }))
    await app.register(peer)
    greet(app)
    const socket = await dial(await listen(app), null)
    const forged = { 'x-forwarded-client-cert': `URI=${WEB}`, 'x-spiffe-id': WEB, 'spiffe-id': WEB }
    expect(await ask(socket, '/', forged)).toMatchObject({ status: 200, body: 'null' })
    socket.destroy()
  })

  test('without a certificate, where that is allowed, has a peer that is null', async () => {
    await using app = Fastify(spiffeServer(source, { clientCertificate: 'optional' }))
    await app.register(peer)
    app.get('/', (request) => ({ spiffeId: request.spiffeId, peer: request.peer }))
    const socket = await dial(await listen(app), null)
    expect(JSON.parse((await ask(socket)).body)).toEqual({ spiffeId: null, peer: null })
    socket.destroy()
  })

  test.each(['spiffeId', 'peer'])('does not let a handler set its %s', async (name) => {
    await using app = Fastify()
    await app.register(peer)
    app.get('/', (request) => {
      expect(() => Object.assign(request, { [name]: 'spiffe://example.org/root' })).toThrow(
        TypeError,
      )
      return `${String(request.spiffeId)} ${String(request.peer?.spiffeId)}`
    })
    expect((await injectAs(app, WEB, '/')).body).toBe(`${WEB} ${WEB}`)
  })
})

describe('the gate', () => {
  test('refuses a connection that no acceptor has seen, and tells nothing', async () => {
    await using app = Fastify(spiffeServer(source))
    await app.register(peer)
    greet(app)
    await app.ready()
    await using server = createServer((request, response) => app.routing(request, response))
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    const socket = net.connect(portOf(server), '127.0.0.1')

    const { status, headers, body } = await ask(socket)
    expect(status).toBe(401)
    expect(headers['connection']).toBe('close')
    expect(JSON.parse(body)).toEqual({
      statusCode: 401,
      code: 'unauthenticated',
      error: 'Unauthorized',
      message: 'Unauthorized',
    })
    socket.destroy()
  })

  test('refuses a caller whose SVID has expired since the handshake, and closes the connection', async () => {
    let now = Date.now()
    await using app = Fastify(spiffeServer(source))
    await app.register(peer, { clock: () => now })
    greet(app)
    const socket = await dial(await listen(app), client)
    expect((await ask(socket)).status).toBe(200)

    now = client.notAfter
    const { status, headers } = await ask(socket)
    expect({ status, connection: headers['connection'] }).toEqual({
      status: 401,
      connection: 'close',
    })
    await once(socket, 'close')
  })

  test('does the same on HTTP/2, and tells the client to go', async () => {
    let now = Date.now()
    await using app = Fastify(spiffeServer(source, { http2: true }))
    await app.register(peer, { clock: () => now })
    greet(app)
    const session = await dialHttp2(await listen(app), client)
    expect((await askHttp2(session)).status).toBe(200)

    now = client.notAfter
    const goaway = once(session, 'goaway')
    expect((await askHttp2(session)).status).toBe(401)
    await goaway
    await once(session, 'close')
  })

  test('refuses a caller whose trust domain is not federated any more', async () => {
    await using partner = await Authority.create({ trustDomain: 'partner.test' })
    authority.federate(partner)
    await using app = Fastify(spiffeServer(source, { onPeerExpiry: 'ignore' }))
    await app.register(peer)
    greet(app)
    const place = await listen(app)
    const stranger = await partner.issueX509Svid('spiffe://partner.test/web')
    const [foreign, own] = [await dial(place, stranger), await dial(place, client)]
    expect((await ask(foreign)).body).toBe('spiffe://partner.test/web')

    authority.unfederate(partner)
    expect((await ask(foreign)).status).toBe(401)
    expect((await ask(own)).status).toBe(200)
    own.destroy()
    foreign.destroy()
  })

  test('lets the last request of a caller be answered when its authority is removed', async () => {
    await using realm = await Realm.create()
    await using app = Fastify(spiffeServer(realm.source))
    await app.register(peer)
    const request = realm.hold(app)
    const socket = await dial(await listen(app), realm.caller)
    const closed = once(socket, 'close')
    const [answer] = [ask(socket), await request.arrival]
    await realm.distrustCaller()
    request.release()
    expect(await answer).toMatchObject({
      status: 200,
      body: `goodbye ${WEB}`,
      headers: { connection: 'close' },
    })
    await closed
  })

  test('does the same on HTTP/2, where streams finish after GOAWAY', async () => {
    await using realm = await Realm.create()
    await using app = Fastify(spiffeServer(realm.source, { http2: true }))
    await app.register(peer)
    const request = realm.hold(app)
    const session = await dialHttp2(await listen(app), realm.caller)
    const [goaway, closed] = [once(session, 'goaway'), once(session, 'close')]
    const [answer] = [askHttp2(session), await request.arrival]
    await realm.distrustCaller()
    await goaway
    request.release()
    expect(await answer).toMatchObject({ status: 200, body: `goodbye ${WEB}` })
    await closed
  })

  test('cannot be overruled: an error handler words the refusal, and no handler runs', async () => {
    await using app = Fastify()
    await app.register(peer)
    let calls = 0
    app.get('/', () => `${++calls}`)
    app.setErrorHandler((error, _request, reply) => {
      expect(error).toBeInstanceOf(PeerError)
      expect(error).toMatchObject({ code: 'unauthenticated', statusCode: 401 })
      return reply.code(200).send('worded otherwise')
    })
    const { statusCode, body } = await app.inject('/')
    expect({ statusCode, body, calls }).toEqual({
      statusCode: 200,
      body: 'worded otherwise',
      calls: 0,
    })
  })

  test('stands before everything: HEAD, OPTIONS and paths that do not exist', async () => {
    await using app = Fastify()
    await app.register(peer)
    app.get('/', () => 'here')
    const requests = [
      { method: 'HEAD', url: '/' },
      { method: 'OPTIONS', url: '/' },
      { method: 'GET', url: '/nowhere' },
    ] as const
    const statuses = async (caller: string | undefined) => {
      const answers = requests.map((request) =>
        caller === undefined ? app.inject(request) : injectAs(app, caller, request),
      )
      return (await Promise.all(answers)).map(({ statusCode }) => statusCode)
    }
    expect(await statuses(undefined)).toEqual([401, 401, 401])
    expect(await statuses(WEB)).toEqual([200, 404, 404])
  })

  test('stands before routes and not-found handlers outside of the instance that it was registered on', async () => {
    await using app = Fastify()
    app.get('/outside', () => 'open')
    app.register(async (sibling) => void sibling.get('/sibling', () => 'open'))
    app.register(async (inner) => {
      await inner.register(peer)
      await inner.register(async (innermost) => void innermost.get('/inside', () => 'closed'))
    })
    app.register(async (other) => {
      await other.register(peer)
      other.get('/other', (request) => String(request.spiffeId))
    })
    for (const url of ['/outside', '/sibling', '/inside', '/other', '/none']) {
      expect((await app.inject(url)).statusCode).toBe(401)
      expect((await injectAs(app, WEB, url)).statusCode).toBe(url === '/none' ? 404 : 200)
    }
    expect((await injectAs(app, WEB, '/other')).body).toBe(WEB)
  })

  test('refuses outside callers whose SVID has expired', async () => {
    await using app = Fastify()
    let now = Date.now()
    app.get('/', () => 'open')
    app.register(async (inner) => {
      await inner.register(peer, { clock: () => now })
    })
    expect((await injectAs(app, WEB, '/')).statusCode).toBe(200)
    now += 86_400_000
    expect((await injectAs(app, WEB, '/')).statusCode).toBe(401)
  })
})

/** As a plugin without `fastify-plugin` does. */
async function inChild(child: FastifyInstance): Promise<void> {
  await child.register(peer)
}

describe('a rule that nothing enforces', () => {
  const config = { spiffe: { allow: [WEB] } } as object

  test('keeps the application from becoming ready, wherever the route stands', async () => {
    for (const declare of [
      (app: FastifyInstance) => app.get('/orders', { config }, () => 'open'),
      (app: FastifyInstance) =>
        app.register(async (child) => void child.get('/orders', { config }, () => 'open')),
    ]) {
      await using app = Fastify()
      await app.register(inChild)
      declare(app)
      await expect(app.ready()).rejects.toMatchObject({
        code: 'unenforced-rules',
        message: expect.stringContaining('GET /orders'),
      })
    }
  })

  test('is found where a later onRoute hook took it away, and nothing else is', async () => {
    for (const [options, outcome] of [
      [{ config }, 'unenforced-rules'],
      [{}, 'ready'],
    ] as const) {
      await using app = Fastify()
      await app.register(peer)
      app.addHook('onRoute', (route) => void Object.assign(route, { config: null }))
      app.get('/orders', options, () => 'open')
      const ready = app.ready().then(
        () => 'ready',
        ({ code }: { code: string }) => code,
      )
      expect(await ready).toBe(outcome)
    }
  })

  test('is found among those that were declared before, where spiffeServer made the server', async () => {
    await using own = await authority.source('spiffe://example.org/acme/orders')
    await using app = Fastify(spiffeServer(own))
    app.register(async (child) => void child.get('/orders', { config }, () => 'open'))
    app.register(peer)
    await expect(app.ready()).rejects.toMatchObject({ code: 'unenforced-rules' })
  })
})

describe('a second registration', () => {
  test('on the same instance or within is refused by name', async () => {
    await using app = Fastify()
    await app.register(peer)
    await expect(app.register(peer)).rejects.toMatchObject({ code: 'already-registered' })
    await using other = Fastify()
    await other.register(peer)
    const within = other.register(inChild)
    await expect(within).rejects.toMatchObject({ code: 'already-registered' })
  })
})

function isWeb({ spiffeId }: Peer): boolean {
  return spiffeId.toString() === WEB
}

describe('disconnectPeers', () => {
  test('answers what is under way, refuses what comes after it, and ends the connection', async () => {
    await using realm = await Realm.create()
    await using app = Fastify(spiffeServer(realm.source))
    await app.register(peer)
    const request = realm.hold(app)
    const place = await listen(app)
    const socket = await dial(place, realm.caller)
    const closed = once(socket, 'close')
    const [answer] = [ask(socket), await request.arrival]
    expect(app.disconnectPeers(isWeb)).toBe(1)
    request.release()
    expect(await answer).toMatchObject({ status: 200, headers: { connection: 'close' } })
    await closed
    const again = await dial(place, realm.caller)
    expect((await ask(again)).status).toBe(200)
    again.destroy()
  })

  test('refuses at once the requests that come before the connection has ended', async () => {
    await using app = Fastify(spiffeServer(source, { onPeerExpiry: 'ignore' }))
    await app.register(peer)
    greet(app)
    const place = await listen(app)
    const other = await authority.issueX509Svid('spiffe://example.org/acme/api')
    const [socket, kept] = [await dial(place, client), await dial(place, other)]
    expect((await ask(socket)).body).toBe(WEB)
    expect(app.disconnectPeers(isWeb)).toBe(1)
    expect(await ask(socket)).toMatchObject({ status: 401, headers: { connection: 'close' } })
    expect((await ask(kept)).status).toBe(200)
    expect(app.disconnectPeers(isWeb)).toBe(0)
    for (const each of [socket, kept]) each.destroy()
  })

  test('does both on HTTP/2', async () => {
    await using realm = await Realm.create()
    await using app = Fastify(spiffeServer(realm.source, { http2: true }))
    await app.register(peer)
    const request = realm.hold(app)
    const session = await dialHttp2(await listen(app), realm.caller)
    const [goaway, closed] = [once(session, 'goaway'), once(session, 'close')]
    const [answer] = [askHttp2(session), await request.arrival]
    expect(app.disconnectPeers(isWeb)).toBe(1)
    await goaway
    request.release()
    expect(await answer).toMatchObject({ status: 200, body: `goodbye ${WEB}` })
    await closed

    await using still = Fastify(spiffeServer(source, { http2: true, onPeerExpiry: 'ignore' }))
    await still.register(peer)
    greet(still)
    const other = await dialHttp2(await listen(still), client)
    expect((await askHttp2(other)).status).toBe(200)
    still.disconnectPeers(isWeb)
    const ended = once(other, 'close')
    expect((await askHttp2(other)).status).toBe(401)
    await ended
  })

  test('knows nobody where callers are injected', async () => {
    await using app = Fastify()
    await app.register(peer)
    greet(app)
    await injectAs(app, WEB, '/')
    expect(app.disconnectPeers(() => true)).toBe(0)
  })
})

describe('revocation', () => {
  test('refuses a caller whose SVID is revoked while it is connected', async () => {
    await using realm = await Authority.create({ trustDomain: 'example.org' })
    const served = await realm.source('spiffe://example.org/acme/orders')
    const caller = await realm.issueX509Svid(WEB)
    await using app = Fastify(spiffeServer(served, { onPeerExpiry: 'ignore' }))
    await app.register(peer)
    greet(app)
    const socket = await dial(await listen(app), caller)
    expect((await ask(socket)).status).toBe(200)
    await realm.revoke(caller)
    expect(await ask(socket)).toMatchObject({ status: 401, headers: { connection: 'close' } })
    socket.destroy()
  })

  test('is a matter of the policy that spiffeServer is given', async () => {
    await using realm = await Authority.create({ trustDomain: 'example.org' })
    const served = await realm.source('spiffe://example.org/acme/orders')
    const caller = await realm.issueX509Svid(WEB)
    await using strict = Fastify(spiffeServer(served, { revocation: 'strict' }))
    await using off = Fastify(spiffeServer(served, { revocation: 'off' }))
    for (const app of [strict, off]) {
      await app.register(peer)
      greet(app)
    }
    const place = await listen(strict)
    const cut = await dial(place, caller)
    await once(cut, 'close')
    await realm.revoke('01')
    const socket = await dial(place, caller)
    expect((await ask(socket)).status).toBe(200)
    const closed = once(socket, 'close')
    await realm.revoke(caller)
    await closed
    const lenient = await dial(await listen(off), caller)
    expect((await ask(lenient)).status).toBe(200)
    lenient.destroy()
  })
})

describe('an application', () => {
  test.each<[string, object]>([
    ['unknown-option', { sauce: 1 }],
    ['invalid-option', { logSpiffeId: 'yes' }],
    ['invalid-option', { clock: 0 }],
  ])('does not boot: %s %j', async (code, options) => {
    await using app = Fastify()
    await expect(app.register(peer, options)).rejects.toMatchObject({ name: 'PeerError', code })
  })

  test('does not listen on a server that proves nobody', async () => {
    await using app = Fastify()
    await app.register(peer)
    await expect(app.listen({ port: 0 })).rejects.toMatchObject({ code: 'not-a-spiffe-server' })
    expect(app.server.listening).toBe(false)
  })

  test('does not with a callback either', async () => {
    await using app = Fastify({ https: {} })
    await app.register(peer)
    const [error] = await new Promise<unknown[]>((resolve) => {
      app.listen({ host: '127.0.0.1', port: 0 }, (...outcome) => resolve(outcome))
    })
    expect(error).toMatchObject({ code: 'not-a-spiffe-server' })
  })
})

async function logged(options: object, fastifyOptions: object = {}) {
  const lines: { msg: string; spiffeId?: string; extra?: string }[] = []
  const stream = { write: (line: string) => void lines.push(JSON.parse(line)) }
  await using app = Fastify({ logger: { level: 'info', stream }, ...fastifyOptions })
  await app.register(peer, options)
  app.get('/', (request) => {
    request.log.info('handled')
    return 'served'
  })
  await injectAs(app, WEB, '/')
  await injectAs(app, null, '/')
  return lines
}

const addsExtra: FastifyInstance['childLoggerFactory'] = (logger, bindings, options) =>
  logger.child({ ...bindings, extra: 'kept' }, options)

describe('the log of a request', () => {
  test('names the caller on every line', async () => {
    const lines = await logged({})
    expect(lines.map(({ msg, spiffeId }) => [msg, spiffeId])).toEqual([
      ['incoming request', WEB],
      ['handled', WEB],
      ['request completed', WEB],
      ['incoming request', undefined],
      ['handled', undefined],
      ['request completed', undefined],
    ])
  })

  test('does not where an option says so', async () => {
    const lines = await logged({ logSpiffeId: false })
    expect(lines.filter((line) => 'spiffeId' in line)).toEqual([])
  })

  test('keeps what the application adds by a factory of its own', async () => {
    const [line] = await logged({}, { childLoggerFactory: addsExtra })
    expect(line).toMatchObject({ spiffeId: WEB, extra: 'kept' })
  })

  test('says why a request was refused', async () => {
    const lines: Record<string, unknown>[] = []
    const stream = { write: (line: string) => void lines.push(JSON.parse(line)) }
    await using app = Fastify({ logger: { level: 'info', stream } })
    await app.register(peer)
    await app.inject('/')
    await injectAs(app, { spiffeId: WEB, notAfter: 1 }, '/')
    const reasons = lines.filter(({ reason }) => reason !== undefined)
    expect(reasons.map(({ reason }) => reason)).toEqual(['not-accepted', 'lapsed'])
    // Once for each, without a stack, beside Fastify's first and last line.
    expect(lines).toHaveLength(6)
    expect(JSON.stringify(lines)).not.toContain('"stack"')
  })
})

describe('injectAs', () => {
  test('presents a peer that says that it comes from the test kit', async () => {
    await using app = Fastify()
    await app.register(peer)
    app.get('/', (request) => `${String(request.spiffeId)} ${request.peer?.proof ?? 'nobody'}`)
    expect((await injectAs(app, WEB, '/')).body).toBe(`${WEB} test-kit`)
    expect((await injectAs(app, client.spiffeId, '/')).body).toBe(`${WEB} test-kit`)
    expect((await injectAs(app, { spiffeId: WEB, serialNumber: '2a' }, '/')).body).toContain(WEB)
    expect((await injectAs(app, null, '/')).body).toBe('null nobody')
  })

  test('works with the application that production gets, HTTP/2 included', async () => {
    await using https = Fastify(spiffeServer(source))
    await https.register(peer)
    await using http2 = Fastify(spiffeServer(source, { http2: true }))
    await http2.register(peer)
    greet(https)
    greet(http2)
    expect((await injectAs(https, WEB, '/')).body).toBe(WEB)
    expect((await injectAs(http2, WEB, '/')).body).toBe(WEB)
  })

  test('refuses to work in production', async () => {
    await using app = Fastify()
    await app.register(peer)
    const { NODE_ENV } = process.env
    process.env['NODE_ENV'] = 'production'
    try {
      await expect(injectAs(app, WEB, '/')).rejects.toMatchObject({ code: 'test-kit-refused' })
    } finally {
      process.env['NODE_ENV'] = NODE_ENV
    }
  })

  test('rejects a caller that is no SPIFFE ID, and when the application does not boot', async () => {
    await using app = Fastify()
    await app.register(peer)
    await expect(injectAs(app, 'acme/web', '/')).rejects.toMatchObject({
      code: 'invalid-spiffe-id',
    })

    await using broken = Fastify()
    broken.addHook('onReady', () => Promise.reject(new Error('broken')))
    await expect(injectAs(broken, WEB, '/')).rejects.toThrow('broken')
  })
})
