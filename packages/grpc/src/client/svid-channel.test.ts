// oxlint-disable typescript/no-unsafe-type-assertion -- these tests pass what the types forbid, as JavaScript can
// oxlint-disable unicorn/consistent-function-scoping -- helpers stand beside the tests that use them
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import tls from 'node:tls'
import { credentials, Metadata, type ServiceError, status } from '@grpc/grpc-js'
import { mintRootCa, type MintedCertificate } from '@fastify-spiffe/authority'
import { anyOf, BundleSet, matchId, matchMemberOf, X509Bundle } from '@fastify-spiffe/spiffe'
import { ScriptedSource } from '@fastify-spiffe-test/kit/scripted-source'
import { TlsError, webPki } from '@fastify-spiffe/tls'
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals'
import { createGrpcClient, peerOf, type SvidChannelOptions } from '../index.ts'
import { answersOf, SERVER_ID, Stage, WEB_ID, words, Words } from '../stage.test.helper.ts'
import { SvidChannel } from './svid-channel.ts'

const { UNAVAILABLE } = status

let stage: Stage
let source: ScriptedSource
beforeEach(async () => {
  stage = await Stage.set()
  source = new ScriptedSource(await web(), stage.bundles)
})
afterEach(() => stage.clear())

async function web(): Promise<NonNullable<ScriptedSource['svid']>> {
  return (await stage.authority.mint(WEB_ID)).toX509Svid()
}

function clientOf(port: number, options: Partial<SvidChannelOptions> = {}): Words {
  const target = `127.0.0.1:${port}`
  const client = createGrpcClient(Words, { target, source, server: SERVER_ID, ...options })
  return stage.keep(client, (it) => it.close())
}

/** The error of a call that fails. */
async function failureOf(client: Words): Promise<ServiceError & { readonly cause?: unknown }> {
  const { path, requestSerialize, responseDeserialize } = words.Say
  return await new Promise((resolve) => {
    client.makeUnaryRequest(path, requestSerialize, responseDeserialize, 'x', (error) =>
      resolve(error!),
    )
  })
}

/** A server that takes any client, and counts what it is sent. */
class EvilServer {
  bytes = 0
  sessions = 0
  readonly server: tls.Server

  constructor({ certificatesPem, privateKeyPem }: MintedCertificate) {
    const options = { cert: certificatesPem, key: privateKeyPem, ALPNProtocols: ['h2'] }
    this.server = tls.createServer({ ...options, requestCert: true, rejectUnauthorized: false })
    this.server.on('secureConnection', (socket) => {
      this.sessions++
      socket.on('error', () => undefined).on('data', ({ length }) => (this.bytes += length))
    })
    this.server.on('tlsClientError', () => undefined)
  }

  async listen(): Promise<number> {
    this.server.listen(0, '127.0.0.1')
    await once(this.server, 'listening')
    return (this.server.address() as AddressInfo).port
  }
}

async function evil(minted: MintedCertificate): Promise<{ evilServer: EvilServer; port: number }> {
  const evilServer = stage.keep(new EvilServer(minted), ({ server }) => server.close())
  return { evilServer, port: await evilServer.listen() }
}

describe('a channel', () => {
  test.each(['127.0.0.1', 'localhost', 'dns:///127.0.0.1', 'ipv4:127.0.0.1'])(
    'calls methods of all four kinds at %s, with the SVID of its source',
    async (host) => {
      const { port } = await stage.serve()
      const client = clientOf(port, { target: `${host}:${port}` })
      expect(await client.each()).toEqual([`hello from ${WEB_ID}`, 'hello', 'a b', 'hello'])
      expect(client.getChannel()).toMatchObject({
        peers: [{ spiffeId: expect.objectContaining({ path: '/acme/server' }) }],
      })
    },
  )

  test('gives clients their own options', async () => {
    const { port } = await stage.serve()
    const seen: string[] = []
    const client = createGrpcClient(Words, {
      target: `127.0.0.1:${port}`,
      source,
      server: matchMemberOf('example.org'),
      client: {
        interceptors: [
          (options, next) => {
            seen.push(options.method_definition.path)
            return next(options) as never
          },
        ],
      },
    })
    stage.keep(client, (it) => it.close())
    expect(await client.repeat()).toBe('hello')
    expect(seen).toEqual(['/test.v1.Words/Repeat'])
  })

  test('makes calls that interceptors start later on the connection of then', async () => {
    const { port } = await stage.serve()
    const client = clientOf(port)
    expect(await client.repeat()).toBe('hello')
    const channel = client.getChannel() as SvidChannel
    const call = channel.createCall(words.Say.path, Infinity, null, null, null)
    source.set(await web(), stage.bundles)
    const ended = new Promise<number>((resolve) => {
      call.start(new Metadata(), {
        onReceiveMetadata: () => undefined,
        onReceiveMessage: () => undefined,
        onReceiveStatus: ({ code }) => resolve(code),
      })
    })
    call.cancelWithStatus(status.CANCELLED, 'enough')
    expect(await ended).toBe(status.CANCELLED)
  })
})

describe('a server that is not the one', () => {
  test.each<[string, string, () => Promise<MintedCertificate>]>([
    ['with another SPIFFE ID', 'server-not-allowed', () => stage.authority.mint(WEB_ID)],
    [
      'of another trust domain that is trusted',
      'server-refused',
      async () => {
        const other = await mintRootCa('other.org')
        const bundle = X509Bundle.of(other.trustDomain, [other.certificate])
        source.set(source.svid, BundleSet.of(...stage.bundles, bundle))
        return other.mint(SERVER_ID)
      },
    ],
    [
      'with an intermediate for a leaf',
      'server-refused',
      () => stage.authority.mint(SERVER_ID, { ca: true }),
    ],
  ])('%s gets nothing, and the call says why', async (_, code, mint) => {
    const { evilServer, port } = await evil(await mint())
    // Else OpenSSL would know no authority of the other trust domain.
    const server = anyOf(matchId(SERVER_ID), matchMemberOf('other.org'))
    const client = clientOf(port, { server })
    const failures = await Promise.all(Array.from({ length: 20 }, () => failureOf(client)))
    for (const { code: number, cause } of failures) {
      expect(number).toBe(UNAVAILABLE)
      expect(cause).toBeInstanceOf(TlsError)
      expect(cause).toMatchObject({ code })
    }
    expect(evilServer.bytes).toBe(0)
    expect(await answersOf(client.echo())).toBe(UNAVAILABLE)
  })

  test('that no authority vouches for gets nothing', async () => {
    const { evilServer, port } = await evil(await (await mintRootCa('example.org')).mint(SERVER_ID))
    const client = clientOf(port)
    const failure = await failureOf(client)
    expect(failure.code).toBe(UNAVAILABLE)
    expect(failure.cause).toBeInstanceOf(TlsError)
    expect(failure.cause).toMatchObject({ code: 'server-refused', rejection: undefined })
    expect(evilServer.bytes).toBe(0)
    expect((client.getChannel() as SvidChannel).peers).toEqual([])
  })

  test('gets no credentials of calls either', async () => {
    const { evilServer, port } = await evil(await stage.authority.mint(WEB_ID))
    const client = clientOf(port)
    let asked = 0
    const perCall = credentials.createFromMetadataGenerator((_options, callback) => {
      asked++
      callback(null, new Metadata())
    })
    const { path, requestSerialize, responseDeserialize } = words.Repeat
    const options = { credentials: perCall }
    const call = client.makeServerStreamRequest(
      path,
      requestSerialize,
      responseDeserialize,
      'x',
      options,
    )
    expect(await answersOf(call)).toBe(UNAVAILABLE)
    expect([asked, evilServer.bytes]).toEqual([0, 0])
  })
})

test('a server that is not there is no refused one', async () => {
  const { port, server } = await stage.serve()
  await server.close()
  const failure = await failureOf(clientOf(port))
  expect([failure.code, failure.cause]).toEqual([UNAVAILABLE, undefined])
})

describe('the SVID of a channel', () => {
  /** A server that remembers with which certificates it was called. */
  async function serials(): Promise<{ port: number; seen: string[] }> {
    const server = await stage.open()
    const seen: string[] = []
    const say = (call: never, callback: (error: null, answer: string) => void): void => {
      seen.push(peerOf(call)?.serialNumber ?? '')
      callback(null, 'said')
    }
    const echo = (call: NodeJS.ReadWriteStream): void => void call.pipe(call)
    const implementation = { Say: say, Echo: echo } as never
    server.addService({ Say: words.Say, Echo: words.Echo }, implementation, {
      rule: { anyAuthenticated: true },
    })
    return { port: (await server.listen({ port: 0 })).port, seen }
  }

  test('is that of the moment for new calls, while a running stream goes on', async () => {
    const { port, seen } = await serials()
    const client = clientOf(port)
    const echo = client.echo()
    echo.write('first')
    await once(echo, 'data')
    const presented: string[] = []
    for (let round = 0; round < 4; round++) {
      // oxlint-disable-next-line no-await-in-loop -- one rotation after another
      const svid = await web()
      source.set(svid, stage.bundles)
      presented.push(svid.leaf.serialNumber)
      // oxlint-disable-next-line no-await-in-loop -- one call after another
      expect(await client.say()).toBe('said')
    }
    expect(seen).toEqual(presented)
    echo.write('last')
    expect(await once(echo, 'data')).toEqual(['last'])
    const answers = answersOf(echo)
    echo.end()
    expect(await answers).toBe('')
  })

  test('changes under load without a failed call', async () => {
    const { port, seen } = await serials()
    const client = clientOf(port)
    const svids = await Promise.all(Array.from({ length: 10 }, () => web()))
    const outcomes: unknown[] = []
    let isOver = false
    const work = async (): Promise<void> => {
      // oxlint-disable-next-line no-await-in-loop, no-unmodified-loop-condition -- a worker
      while (!isOver) outcomes.push(await client.say())
    }
    const workers = Array.from({ length: 8 }, work)
    for (const svid of svids) {
      const before = seen.length
      source.set(svid, stage.bundles)
      // oxlint-disable-next-line no-await-in-loop -- until it has taken effect
      while (seen.length < before + 20 || seen.at(-1) !== svid.leaf.serialNumber) await turn()
    }
    isOver = true
    await Promise.all(workers)
    expect(new Set(outcomes)).toEqual(new Set(['said']))
    expect(new Set(seen).size).toBeGreaterThanOrEqual(svids.length)
  })

  test('may be absent: calls fail with the reason, until there is one', async () => {
    const { port } = await serials()
    source.set(null, stage.bundles)
    const client = clientOf(port)
    const failure = await failureOf(client)
    expect([failure.code, (failure.cause as TlsError).code]).toEqual([UNAVAILABLE, 'no-svid'])
    source.set(await web(), stage.bundles)
    expect(await client.say()).toBe('said')
  })
})

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

describe('connections end', () => {
  const GRACE_MS = 4321
  const AGE_MS = 7654

  function timers(): {
    set: SvidChannelOptions['setTimer'] & object
    fire: (delayMs: number) => void
  } {
    const waiting = new Set<{ delayMs: number; callback: () => void }>()
    return {
      set: (callback, delayMs) => {
        const timer = { delayMs, callback }
        waiting.add(timer)
        return () => void waiting.delete(timer)
      },
      fire: (delayMs) => {
        const due = [...waiting].filter((it) => it.delayMs === delayMs)
        expect(due).toHaveLength(1)
        for (const timer of due) {
          waiting.delete(timer)
          timer.callback()
        }
      },
    }
  }

  test('when trust in the server ends: new calls fail, running ones are cancelled after the grace', async () => {
    const { port } = await stage.serve()
    const { set, fire } = timers()
    const client = clientOf(port, { setTimer: set, graceMs: GRACE_MS })
    const echo = client.echo()
    echo.write('before')
    await once(echo, 'data')
    const answers = answersOf(echo)
    source.set(source.svid, (await Stage.set()).bundles)
    expect((await failureOf(client)).code).toBe(UNAVAILABLE)
    echo.write('meanwhile')
    await once(echo, 'data')
    fire(GRACE_MS)
    expect(await answers).toBe(UNAVAILABLE)
  })

  test('when the SVID of the server expires', async () => {
    const { port, server } = await stage.serve()
    const time = { now: Date.now() }
    const client = clientOf(port, { clock: () => time.now })
    expect(await client.repeat()).toBe('hello')
    const channel = client.getChannel() as SvidChannel
    expect(channel.peers).toHaveLength(1)
    time.now = server.identity.svid!.notAfter + 1000
    expect(channel.peers).toHaveLength(0)
    expect((await failureOf(client)).cause).toMatchObject({ rejection: 'expired' })
  })

  test('at their age: new calls use another one, running ones are cancelled after the grace', async () => {
    const { port, server } = await stage.serve()
    const { set, fire } = timers()
    const client = clientOf(port, { setTimer: set, graceMs: GRACE_MS, maxConnectionAgeMs: AGE_MS })
    const echo = client.echo()
    echo.write('before')
    await once(echo, 'data')
    const answers = answersOf(echo)
    fire(AGE_MS)
    expect(await client.repeat()).toBe('hello')
    expect(server.identity.counters.accepted).toBe(2)
    fire(GRACE_MS)
    expect(await answers).toBe(UNAVAILABLE)
    expect(await client.repeat()).toBe('hello')
  })

  test('when the channel closes, after the calls that run', async () => {
    const { port } = await stage.serve()
    const client = clientOf(port)
    const echo = client.echo()
    echo.write('before')
    await once(echo, 'data')
    client.close()
    client.close()
    echo.write('after')
    expect(await once(echo, 'data')).toEqual(['after'])
    const answers = answersOf(echo)
    echo.end()
    expect(await answers).toBe('')
    expect((await failureOf(client)).details).toBe('the channel is closed')
  })
})

test.each<[string, object, string]>([
  ['an unknown option', { sever: SERVER_ID }, 'unknown-option'],
  ['no server', { server: undefined }, 'invalid-option'],
  ['a server that is no pattern', { server: 'billing' }, 'invalid-option'],
  ['a server of the Web PKI', { server: webPki() }, 'invalid-option'],
  ['no source', { source: {} }, 'invalid-option'],
  ['no target', { target: '' }, 'invalid-option'],
  ['an age of nothing', { maxConnectionAgeMs: 0 }, 'invalid-option'],
  ['a grace of nothing', { graceMs: 0 }, 'invalid-option'],
  ['options of gRPC that are none', { grpc: 1 }, 'invalid-option'],
  ['a clock that is none', { clock: 1 }, 'invalid-option'],
])('a channel is not made with %s', (_, options, code) => {
  const make = (): unknown =>
    new SvidChannel({ target: 'a:1', source, server: SERVER_ID, ...options })
  expect(make).toThrow(expect.objectContaining({ code }))
})
