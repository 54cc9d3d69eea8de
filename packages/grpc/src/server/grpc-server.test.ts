// oxlint-disable typescript/no-unsafe-type-assertion -- these tests pass what the types forbid, as JavaScript can
import { once } from 'node:events'
import { ServerInterceptingCall, status } from '@grpc/grpc-js'
import { mintRootCa } from '@fastify-spiffe/authority'
import { PolicyError, where, type PolicyLog } from '@fastify-spiffe/policy'
import { TlsError } from '@fastify-spiffe/tls'
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals'
import { GrpcError, peerOf, type GrpcServerOptions } from '../index.ts'
import { answersOf, API_ID, Heard, Stage, WEB_ID, words } from '../stage.test.helper.ts'

const { PERMISSION_DENIED, UNAUTHENTICATED, UNAVAILABLE, UNIMPLEMENTED } = status

let stage: Stage
beforeEach(async () => {
  stage = await Stage.set()
})
afterEach(() => stage.clear())

async function errorOf(work: Promise<unknown>): Promise<string> {
  const error: unknown = await work.then(
    () => undefined,
    (thrown: unknown) => thrown,
  )
  const isOurs =
    error instanceof GrpcError || error instanceof PolicyError || error instanceof TlsError
  return isOurs ? error.code : String(error)
}

describe('a gRPC server', () => {
  test('answers calls of all four kinds, and tells handlers the verified peer', async () => {
    const { port, heard } = await stage.serve()
    const client = await stage.client(port)
    expect(await client.each()).toEqual([`hello from ${WEB_ID}`, 'hello', 'a b', 'hello'])
    expect(heard.handlers.toSorted()).toEqual(['Echo', 'Join', 'Repeat', 'Say'])
  })

  test('refuses calls of all four kinds before a handler runs or a message is read', async () => {
    const { port, heard } = await stage.serve({ rule: { allow: [API_ID] } })
    const client = await stage.client(port)
    const rounds = await Promise.all(Array.from({ length: 10 }, () => client.each()))
    expect(new Set(rounds.flat())).toEqual(new Set([PERMISSION_DENIED]))
    expect(heard).toMatchObject({ handlers: [], messages: 0 })
    const other = await stage.client(port, API_ID)
    expect(await other.say()).toBe(`hello from ${API_ID}`)
  })

  test('refuses so as well when the decision takes its time', async () => {
    const check = where(() => new Promise((resolve) => setImmediate(resolve, false)), { reads: [] })
    const { port, heard } = await stage.serve({ rule: { anyAuthenticated: true, where: check } })
    const client = await stage.client(port)
    expect(new Set(await client.each())).toEqual(new Set([PERMISSION_DENIED]))
    expect(heard).toMatchObject({ handlers: [], messages: 0 })
  })

  test('lets in so as well, with every message', async () => {
    const check = where(() => new Promise((resolve) => setImmediate(resolve, true)), { reads: [] })
    const { port } = await stage.serve({ rule: { anyAuthenticated: true, where: check } })
    const client = await stage.client(port)
    expect(await client.each()).toEqual([`hello from ${WEB_ID}`, 'hello', 'a b', 'hello'])
  })

  test('says nothing of the reason to the caller, and everything to the log', async () => {
    const lines: object[] = []
    const add = (fields: object, message: string): void => void lines.push({ ...fields, message })
    const log: PolicyLog = { info: add, warn: add, error: add }
    const { port } = await stage.serve(
      { methods: { Say: { allow: [API_ID] } }, rule: { allow: [API_ID] } },
      { log },
    )
    const client = await stage.client(port)
    expect(await client.say()).toBe(PERMISSION_DENIED)
    expect(lines).toMatchObject([
      {
        spiffeId: WEB_ID,
        reason: 'not-allowed',
        status: 'PERMISSION_DENIED',
        route: '/test.v1.Words/Say',
        message: 'call refused',
      },
    ])
  })

  test('answers a method that it does not have by UNIMPLEMENTED', async () => {
    const { port } = await stage.serve()
    const client = await stage.client(port)
    expect(await client.unary({ ...words.Say, path: '/test.v1.Words/Sing' }, 'la')).toBe(
      UNIMPLEMENTED,
    )
  })

  test('gives other interceptors admitted calls only', async () => {
    const seen: string[] = []
    const { port } = await stage.serve(
      { rule: { allow: [API_ID] } },
      {
        grpc: {
          interceptors: [
            ({ path }, call) =>
              new ServerInterceptingCall(call, {
                start: (begin) =>
                  begin({
                    onReceiveMetadata: (metadata, pass) => {
                      seen.push(path)
                      pass(metadata.clone())
                    },
                  }),
              }),
          ],
        },
      },
    )
    expect(await (await stage.client(port)).say()).toBe(PERMISSION_DENIED)
    expect(seen).toEqual([])
    expect(await (await stage.client(port, API_ID)).say()).toBe(`hello from ${API_ID}`)
    expect(seen).toEqual(['/test.v1.Words/Say'])
  })

  test('proves nothing of calls that others handle', () => {
    expect(peerOf({ getAuthContext: () => ({ transportSecurityType: 'ssl' }) })).toBeUndefined()
  })
})

describe('a peer', () => {
  test.each<[string, () => Promise<Parameters<Stage['clientWith']>[1]>]>([
    ['without a certificate', async () => null],
    ['of another authority', async () => (await mintRootCa('example.org')).mint(WEB_ID)],
  ])('%s reaches no method', async (_, mint) => {
    const { server, port, heard } = await stage.serve()
    expect(await stage.clientWith(port, await mint()).say()).toBe(UNAVAILABLE)
    expect(heard.handlers).toEqual([])
    expect(server.identity.counters.accepted).toBe(0)
  })

  test('without a certificate may call public methods, where certificates are optional', async () => {
    const { port } = await stage.serve(
      { rule: { anyAuthenticated: true }, methods: { Say: { public: { reason: 'a test' } } } },
      { tls: { clientCertificate: 'optional' } },
    )
    const client = stage.clientWith(port, null)
    expect(await client.say()).toBe('hello from null')
    expect(await client.repeat()).toBe(UNAUTHENTICATED)
  })

  test('whose authority goes is served no more, and its connection ends', async () => {
    const { server, port } = await stage.serve(
      { rule: { anyAuthenticated: true } },
      { tls: { graceMs: 200 } },
    )
    const client = await stage.client(port)
    const echo = client.echo()
    echo.write('before')
    expect(await once(echo, 'data')).toEqual(['before'])
    const next = await Stage.set()
    stage.source.set(stage.source.svid, next.bundles)
    expect(await answersOf(echo)).toBe(UNAVAILABLE)
    expect(await client.say()).toBe(UNAVAILABLE)
    expect(server.identity.counters.rejected).toBeGreaterThan(0)
  })

  test('whose authority goes is refused on the connection that it has', async () => {
    const { port, heard } = await stage.serve(
      { rule: { public: { reason: 'a test' } } },
      { tls: { onPeerExpiry: 'ignore' } },
    )
    const client = await stage.client(port)
    expect(await client.say()).toBe(`hello from ${WEB_ID}`)
    stage.source.set(stage.source.svid, (await Stage.set()).bundles)
    expect(await client.each()).toEqual(Array.from({ length: 4 }, () => UNAUTHENTICATED))
    expect(heard.handlers).toEqual(['Say'])
  })

  test('loses its identity while a decision is awaited', async () => {
    const check = where(
      async () => {
        stage.source.set(stage.source.svid, (await Stage.set()).bundles)
        return true
      },
      { reads: [], timeoutMs: 5000 },
    )
    const { port, heard } = await stage.serve(
      { rule: { anyAuthenticated: true, where: check } },
      { tls: { onPeerExpiry: 'ignore' } },
    )
    expect(await (await stage.client(port)).say()).toBe(UNAUTHENTICATED)
    expect(heard.handlers).toEqual([])
  })

  test('keeps a running stream while the server rotates', async () => {
    const { server, port } = await stage.serve()
    const echo = (await stage.client(port)).echo()
    echo.write('one')
    await once(echo, 'data')
    const svid = (await stage.authority.mint('spiffe://example.org/acme/server')).toX509Svid()
    stage.source.set(svid, stage.bundles)
    await Promise.resolve()
    expect(server.identity.svid).toBe(svid)
    echo.write('two')
    expect(await once(echo, 'data')).toEqual(['two'])
    echo.end()
    expect(await answersOf(echo)).toBe('')
  })

  test('that is disconnected gets GOAWAY: its stream goes on, and its next call is verified anew', async () => {
    const { server, port } = await stage.serve()
    const client = await stage.client(port)
    const echo = client.echo()
    echo.write('before')
    await once(echo, 'data')
    expect(server.identity.disconnectPeers(() => true)).toBe(1)
    echo.write('after')
    expect(await once(echo, 'data')).toEqual(['after'])
    expect(await client.say()).toBe(`hello from ${WEB_ID}`)
    expect(server.identity.counters.accepted).toBe(2)
    const answers = answersOf(echo)
    echo.end()
    expect(await answers).toBe('')
  })
})

describe('rules', () => {
  test('are those of the document for a method and for a service, until it is replaced', async () => {
    const { server, port } = await stage.serve(
      {},
      {
        policy: {
          prefixes: { '/test.v1.Words': { allow: [WEB_ID] } },
          routes: { 'POST /test.v1.Words/Say': { allow: [API_ID] } },
        },
      },
    )
    const client = await stage.client(port)
    expect([await client.say(), await client.repeat()]).toEqual([PERMISSION_DENIED, 'hello'])
    await server.policy.reload({ prefixes: { '/': { anyAuthenticated: true } } })
    expect(await client.say()).toBe(`hello from ${WEB_ID}`)
  })

  test('may be named in the document, and be those of a whole service', async () => {
    const policy = { policies: { team: { allow: [WEB_ID] } } }
    const { port } = await stage.serve(
      { rule: 'team', methods: { Say: { allow: [API_ID] } } },
      { policy },
    )
    const client = await stage.client(port)
    expect([await client.say(), await client.repeat()]).toEqual([PERMISSION_DENIED, 'hello'])
  })

  test('read metadata, and refuse what may be several values', async () => {
    const check = where((it) => it['headers.region'] === 'eu', { reads: ['headers.region'] })
    const { port } = await stage.serve({ rule: { anyAuthenticated: true, where: check } })
    const client = await stage.client(port)
    const said = async (region: string): Promise<unknown> => await client.say('hello', { region })
    expect(await said('eu')).toBe(`hello from ${WEB_ID}`)
    expect(await said('us')).toBe(PERMISSION_DENIED)
    expect(await said('eu,eu')).toBe(PERMISSION_DENIED)
    expect(await client.say()).toBe(PERMISSION_DENIED)
  })

  test('keep tenants apart, and tell handlers whose call it is', async () => {
    const options = { tenant: '/{tenant}/{workload}', tenants: { trustDomain: 'example.org' } }
    const server = await stage.open(options)
    const { implementation } = new Heard()
    const tenants: unknown[] = []
    server.addService(
      { Say: words.Say },
      {
        Say: (call: Parameters<typeof server.tenantOf>[0], callback: never) => {
          tenants.push(server.tenantOf(call)?.name)
          ;(implementation['Say'] as (...args: unknown[]) => void)(call, callback)
        },
      } as never,
      { rule: { anyAuthenticated: true, tenant: 'headers.tenant' } },
    )
    const { port } = await server.listen({ port: 0 })
    const client = await stage.client(port)
    expect(await client.say('hello', { tenant: 'acme' })).toBe(`hello from ${WEB_ID}`)
    expect(await client.say('hello', { tenant: 'globex' })).toBe(PERMISSION_DENIED)
    expect(tenants).toEqual(['acme'])
  })

  test('in shadow mode let calls in', async () => {
    const { server, port } = await stage.serve({ rule: { allow: [API_ID], mode: 'shadow' } })
    expect(await (await stage.client(port)).say()).toBe(`hello from ${WEB_ID}`)
    expect(server.policy.shadowReport().shadow).toHaveLength(1)
  })

  test('ask engines, once for the same question', async () => {
    const asked: string[] = []
    const judge = {
      name: 'judge',
      cost: 'io',
      decide: async ({ method, route }: { method: string; route: string }) => {
        asked.push(`${method} ${route}`)
        return true
      },
    } as const
    const { port } = await stage.serve(
      { rule: { anyAuthenticated: true, engines: ['judge'] } },
      { engines: [judge] },
    )
    const client = await stage.client(port)
    expect([await client.say(), await client.say()]).toEqual([
      `hello from ${WEB_ID}`,
      `hello from ${WEB_ID}`,
    ])
    expect(asked).toEqual(['POST /test.v1.Words/Say'])
  })

  test('are listed and explained', async () => {
    const { server } = await stage.serve({ rule: { allow: [WEB_ID] } })
    expect(
      server.policy
        .table()
        .routes.map(({ method, route, allow }) => [method, route, allow.join(' ')]),
    ).toEqual([
      ['POST', '/grpc.health.v1.Health/Check', 'anyAuthenticated'],
      ['POST', '/grpc.health.v1.Health/Watch', 'anyAuthenticated'],
      ['POST', '/test.v1.Words/Echo', WEB_ID],
      ['POST', '/test.v1.Words/Join', WEB_ID],
      ['POST', '/test.v1.Words/Repeat', WEB_ID],
      ['POST', '/test.v1.Words/Say', WEB_ID],
    ])
    const about = { method: 'POST', route: '/test.v1.Words/Say', spiffeId: API_ID }
    expect(await server.policy.explain(about)).toMatchObject({
      decision: 'deny',
      reason: 'not-allowed',
    })
  })

  test('disconnect callers who lose all that they had', async () => {
    const { server, port } = await stage.serve(
      {},
      {
        policy: { prefixes: { '/test.v1.Words': { allow: [WEB_ID, API_ID] } } },
        tls: { onPeerExpiry: 'immediate' },
      },
    )
    const [web, api] = [await stage.client(port), await stage.client(port, API_ID)]
    const [lost, kept] = [web.echo(), api.echo()]
    for (const stream of [lost, kept]) {
      stream.write('hello')
      await once(stream, 'data')
    }
    const ended = answersOf(lost)
    await server.policy.reload({ prefixes: { '/test.v1.Words': { allow: [API_ID] } } })
    expect(await ended).toBe(UNAVAILABLE)
    kept.write('again')
    expect(await once(kept, 'data')).toEqual(['again'])
    kept.end()
  })
})

describe('a server does not start', () => {
  test('with a method that no rule covers, and lists all of them', async () => {
    const server = await stage.open()
    server.addService(words, new Heard().implementation, { methods: { Say: { allow: [WEB_ID] } } })
    const error: unknown = await server.listen({ port: 0 }).catch((thrown: unknown) => thrown)
    expect(error).toMatchObject({
      code: 'uncovered-methods',
      methods: ['/test.v1.Words/Repeat', '/test.v1.Words/Join', '/test.v1.Words/Echo'],
    })
  })

  test('with a rule of a method that the service does not have', async () => {
    const server = await stage.open()
    const add = async (): Promise<void> =>
      server.addService(words, new Heard().implementation, {
        methods: { Sing: { allow: [WEB_ID] } },
      })
    expect(await errorOf(add())).toBe('unknown-method')
  })

  test('with a rule that cannot be right, and says where it is', async () => {
    const server = await stage.open()
    const add = (): void =>
      server.addService(words, new Heard().implementation, { methods: { Say: { allow: [] } } })
    expect(add).toThrow('POST /test.v1.Words/Say: methods.Say.allow')
    await expect(server.listen({ port: 0 })).rejects.toMatchObject({ code: 'uncovered-methods' })
  })

  test.each<[string, object, string]>([
    ['an unknown option', { polcy: {} }, 'unknown-option'],
    [
      'a rule of calls that match no method',
      { notFound: { anyAuthenticated: true } },
      'unknown-option',
    ],
    ['protocols of TLS', { tls: { alpnProtocols: ['h2'] } }, 'unknown-option'],
    ['a certificate', { tls: { cert: '' } }, 'forbidden-option'],
    ['no source', { source: {} }, 'invalid-option'],
    ['a log that is none', { log: {} }, 'invalid-option'],
    ['options of gRPC that are none', { grpc: 1 }, 'invalid-option'],
    ['a bad tenant', { tenant: 7 }, 'invalid-option'],
    ['a bad rule of the health service', { health: { allow: [] } }, 'invalid-rule'],
  ])('with %s', async (_, options, code) => {
    expect(await errorOf(stage.open(options as Partial<GrpcServerOptions>))).toBe(code)
  })

  test.each(['headers.Region', 'headers.key-bin', 'params.id'])(
    'with a rule that reads %s',
    async (name) => {
      const server = await stage.open()
      const rule = { anyAuthenticated: true, where: { attribute: name, equals: 'a' } } as never
      const add = async (): Promise<void> =>
        server.addService(words, new Heard().implementation, { rule })
      expect(await errorOf(add())).toBe('invalid-rule')
    },
  )

  test('on a port that is taken, and may be tried again', async () => {
    const { port } = await stage.serve()
    const other = await stage.open()
    other.addService(words, new Heard().implementation, { rule: { allow: [WEB_ID] } })
    expect(await errorOf(other.listen({ port }))).toBe('listen-failed')
    expect(await errorOf(other.listen({ port: -1 }))).toBe('invalid-option')
    expect(await errorOf(other.listen({ port: 0, path: '/x' } as never))).toBe('unknown-option')
    expect((await other.listen({ port: 0 })).port).toBeGreaterThan(0)
    expect(await errorOf(other.listen({ port: 0 }))).toBe('wrong-state')
  })

  test('with a service that was added already, nor takes one when it listens', async () => {
    const { server } = await stage.serve()
    const add = async (): Promise<void> => server.addService(words, new Heard().implementation)
    expect(await errorOf(add())).toBe('wrong-state')
    const other = await stage.open()
    other.addService(words, new Heard().implementation, { rule: { allow: [WEB_ID] } })
    expect(() => other.addService(words, new Heard().implementation)).toThrow(/added already/)
  })
})

describe('close', () => {
  test('lets running calls end, refuses connections, and resolves when all is over', async () => {
    const { server, port } = await stage.serve()
    const client = await stage.client(port)
    const echo = client.echo()
    echo.write('before')
    await once(echo, 'data')
    let isClosed = false
    const closing = server.close().then(() => (isClosed = true))
    echo.write('meanwhile')
    expect(await once(echo, 'data')).toEqual(['meanwhile'])
    const other = await stage.client(port)
    expect(await other.say()).toBe(UNAVAILABLE)
    expect(isClosed).toBe(false)
    const answers = answersOf(echo)
    echo.end()
    expect(await answers).toBe('')
    await closing
    await server.close()
  })

  test('destroys what goes on after the grace', async () => {
    const { server, port } = await stage.serve(
      { rule: { anyAuthenticated: true } },
      { tls: { graceMs: 50 } },
    )
    const echo = (await stage.client(port)).echo()
    echo.write('before')
    await once(echo, 'data')
    const answers = answersOf(echo)
    await server.close()
    expect(await answers).toBe(UNAVAILABLE)
  })

  test('ends a server that never listened', async () => {
    const server = await stage.open()
    await server.close()
    expect(await errorOf(server.listen({ port: 0 }))).toBe('wrong-state')
  })
})
