// oxlint-disable typescript/no-unsafe-type-assertion -- these tests pass what the types forbid, as JavaScript can
import { once } from 'node:events'
import http2 from 'node:http2'
import type { Server } from 'node:https'
import type { AddressInfo } from 'node:net'
import { text } from 'node:stream/consumers'
import tls, { type TLSSocket } from 'node:tls'
import { mintRootCa, type MintedCertificate } from '@fastify-spiffe/authority'
import { createSvidServer, identityOf, peerOf, type SvidServerOptions } from '@fastify-spiffe/tls'
import { status } from '@grpc/grpc-js'
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals'
import { type GrpcServer, healthDefinition, type ServiceRules } from '../index.ts'
import { answersOf, API_ID, Heard, SERVER_ID, Stage, WEB_ID, words } from '../stage.test.helper.ts'

const { PERMISSION_DENIED, UNAVAILABLE } = status

let stage: Stage
let web: MintedCertificate
beforeEach(async () => {
  stage = await Stage.set()
  web = await stage.authority.mint(WEB_ID)
})
afterEach(() => stage.clear())

interface Shared {
  readonly grpc: GrpcServer
  readonly server: Server
  readonly port: number
  readonly heard: Heard
}

/** An HTTP/1.1 server that says who asks, and a gRPC server with the service of words, which do not listen yet. */
async function share(
  options: SvidServerOptions & { http2?: false } = {},
  rules: ServiceRules = { rule: { anyAuthenticated: true } },
): Promise<Omit<Shared, 'port'>> {
  const grpc = await stage.open()
  const heard = new Heard()
  grpc.addService(words, heard.implementation, rules)
  const server = createSvidServer(stage.source, { ...options, grpc }, (request, response) => {
    response.end(`${request.httpVersion} ${String(peerOf(request.socket)?.spiffeId)}`)
  })
  stage.keep(server, (it) => it.closeAllConnections())
  stage.keep(server, (it) => it.close())
  return { grpc, server, heard }
}

async function listen(server: Server): Promise<number> {
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return (server.address() as AddressInfo).port
}

async function serve(
  options?: SvidServerOptions & { http2?: false },
  rules?: ServiceRules,
): Promise<Shared> {
  const shared = await share(options, rules)
  return { ...shared, port: await listen(shared.server) }
}

async function dial(
  port: number,
  protocols: readonly string[],
  minted: MintedCertificate | null = web,
): Promise<TLSSocket> {
  const socket = tls.connect({
    port,
    host: '127.0.0.1',
    rejectUnauthorized: false,
    ...(protocols.length > 0 && { ALPNProtocols: [...protocols] }),
    ...(minted !== null && { cert: minted.certificatesPem, key: minted.privateKeyPem }),
  })
  socket.on('error', () => undefined)
  stage.keep(socket, (it) => it.destroy())
  await once(socket, 'secureConnect')
  return socket
}

/** The answer to one request of HTTP/1.1 on a new connection; empty when there is none. */
async function ask(
  port: number,
  minted: MintedCertificate | null = web,
  protocols: readonly string[] = ['http/1.1'],
): Promise<string> {
  const socket = await dial(port, protocols, minted)
  socket.write('GET / HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n')
  const answer = await text(socket).catch(() => '')
  return answer.slice(answer.indexOf('\r\n\r\n') + 4)
}

describe('one port', () => {
  test('answers gRPC and HTTP/1.1, each with the verified peer', async () => {
    const { server, grpc, port } = await serve()
    const client = await stage.client(port)
    expect(await client.each()).toEqual([`hello from ${WEB_ID}`, 'hello', 'a b', 'hello'])
    expect(await ask(port)).toBe(`1.1 ${WEB_ID}`)
    expect(await client.unary(healthDefinition.Check, { service: '' })).toEqual({
      status: 1,
    })
    expect(grpc.identity).toBe(identityOf(server))
    expect(grpc.identity.counters).toMatchObject({ accepted: 2, rejected: 0 })
  })

  test('speaks HTTP/1.1 with clients that offer both, and with those that offer nothing', async () => {
    const { port } = await serve()
    const both = await dial(port, ['h2', 'http/1.1'])
    expect(both.alpnProtocol).toBe('http/1.1')
    expect(await ask(port, web, [])).toBe(`1.1 ${WEB_ID}`)
  })

  test('hands HTTP/2 to gRPC alone: other requests over it reach no handler', async () => {
    const { server, port, heard } = await serve()
    let requests = 0
    server.on('request', () => requests++)
    const socket = await dial(port, ['h2'])
    const session = http2.connect('https://localhost', { createConnection: () => socket })
    const stream = session.request({ ':path': '/', ':method': 'GET' })
    const [headers] = (await once(stream, 'response')) as [http2.IncomingHttpHeaders]
    expect(headers[':status']).toBe(415)
    session.destroy()
    expect({ requests, handlers: heard.handlers }).toEqual({ requests: 0, handlers: [] })
  })

  test('hands HTTP/1.1 to the application alone, whatever follows the handshake', async () => {
    const { port, heard } = await serve()
    const socket = await dial(port, ['http/1.1'])
    socket.write('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n')
    expect(await text(socket)).toMatch(/^HTTP\/1\.1 (400|505) /)
    const other = await dial(port, ['h2'])
    other.write('GET / HTTP/1.1\r\nhost: localhost\r\n\r\n')
    await text(other).catch(() => '')
    expect(heard.handlers).toEqual([])
  })

  test.each<[string, () => Promise<MintedCertificate | null>]>([
    ['without a certificate', async () => null],
    ['of another authority', async () => (await mintRootCa('example.org')).mint(WEB_ID)],
    [
      'of a trust domain without a bundle',
      async () => (await mintRootCa('evil.test')).mint('spiffe://evil.test/web'),
    ],
  ])('refuses a peer %s on both, and runs nothing', async (_, mint) => {
    const { grpc, server, port, heard } = await serve()
    let requests = 0
    server.on('request', () => requests++)
    const minted = await mint()
    expect(await stage.clientWith(port, minted).say()).toBe(UNAVAILABLE)
    expect(await ask(port, minted)).toBe('')
    expect(grpc.identity.counters.accepted).toBe(0)
    expect({ requests, handlers: heard.handlers }).toEqual({ requests: 0, handlers: [] })
  })

  test('keeps the rules of gRPC apart from those of the application', async () => {
    const { port, heard } = await serve({}, { rule: { allow: [API_ID] } })
    expect(await (await stage.client(port)).say()).toBe(PERMISSION_DENIED)
    expect(await ask(port)).toBe(`1.1 ${WEB_ID}`)
    expect(heard.handlers).toEqual([])
  })

  test('follows rotations on both, while streams go on', async () => {
    const { port } = await serve()
    const echo = (await stage.client(port)).echo()
    echo.write('one')
    await once(echo, 'data')
    const next = (await stage.authority.mint(SERVER_ID)).toX509Svid()
    stage.source.set(next, stage.bundles)
    await Promise.resolve()
    const presented = await Promise.all(
      [['h2'], ['http/1.1']].map(async (protocols) => {
        const socket = await dial(port, protocols)
        return socket.getPeerX509Certificate()?.raw.equals(next.certificates[0]!.raw)
      }),
    )
    expect(presented).toEqual([true, true])
    echo.write('two')
    expect(await once(echo, 'data')).toEqual(['two'])
    echo.end()
    expect(await answersOf(echo)).toBe('')
  })

  test('ends the connections of both when the authority of their peer goes', async () => {
    const { port } = await serve({ graceMs: 200 })
    const echo = (await stage.client(port)).echo()
    echo.write('before')
    await once(echo, 'data')
    const idle = await dial(port, ['http/1.1'])
    const ended = once(idle.resume(), 'close')
    stage.source.set(stage.source.svid, (await Stage.set()).bundles)
    expect(await answersOf(echo)).toBe(UNAVAILABLE)
    await ended
    expect(await (await stage.client(port)).say()).toBe(UNAVAILABLE)
    expect(await ask(port)).toBe('')
  })
})

describe('closing the HTTP server', () => {
  test('lets calls and responses end, then closes gRPC too', async () => {
    const { server, grpc, port } = await serve()
    const client = await stage.client(port)
    const echo = client.echo()
    echo.write('before')
    await once(echo, 'data')
    const closed = once(server, 'close')
    server.close()
    echo.write('meanwhile')
    expect(await once(echo, 'data')).toEqual(['meanwhile'])
    expect(await (await stage.client(port)).say()).toBe(UNAVAILABLE)
    const answers = answersOf(echo)
    echo.end()
    expect(await answers).toBe('')
    await closed
    await grpc.close()
  })

  test('ends calls that watch the health', async () => {
    const { server, port } = await serve()
    const client = await stage.client(port)
    const { path, requestSerialize, responseDeserialize } = healthDefinition.Watch
    const watch = client.makeServerStreamRequest(path, requestSerialize, responseDeserialize, {
      service: '',
    })
    const seen: unknown[] = []
    watch.on('data', (it) => seen.push(it)).on('error', () => undefined)
    await once(watch, 'data')
    const closed = once(server, 'close')
    server.close()
    await closed
    expect(seen).toEqual([{ status: 1 }, { status: 2 }])
  })

  test('destroys what goes on after the grace', async () => {
    const { server, port } = await serve({ graceMs: 50 })
    const echo = (await stage.client(port)).echo()
    echo.write('before')
    await once(echo, 'data')
    const closed = once(server, 'close')
    server.close()
    expect(await answersOf(echo)).toBe(UNAVAILABLE)
    await closed
  })
})

test('closing gRPC ends its calls, and leaves HTTP/1.1 as it is', async () => {
  const { grpc, port } = await serve({ graceMs: 50 })
  const client = await stage.client(port)
  const echo = client.echo()
  echo.write('before')
  await once(echo, 'data')
  const answers = answersOf(echo)
  await grpc.close()
  expect(await answers).toBe(UNAVAILABLE)
  expect(await client.say()).toBe(UNAVAILABLE)
  expect(await ask(port)).toBe(`1.1 ${WEB_ID}`)
})

describe('a port is not shared', () => {
  test('while a method has no rule: the server does not listen', async () => {
    const { server } = await share({}, { methods: { Say: { allow: [WEB_ID] } } })
    server.listen(0, '127.0.0.1')
    const [error] = (await once(server, 'error')) as [unknown]
    expect(error).toMatchObject({ code: 'uncovered-methods' })
    expect(server.listening).toBe(false)
  })

  test('by a server that was closed before it was ready to listen', async () => {
    const { server } = await share()
    const closed = new Promise((resolve) => {
      server.listen(0, '127.0.0.1')
      server.close(resolve)
    })
    expect(await closed).toMatchObject({ code: 'ERR_SERVER_NOT_RUNNING' })
    await new Promise(setImmediate)
    expect(server.listening).toBe(false)
  })

  test.each<[string, () => Promise<unknown>, string]>([
    [
      'with an application that speaks HTTP/2',
      async () => createSvidServer(stage.source, { http2: true, grpc: await stage.open() }),
      'invalid-option',
    ],
    [
      'with something that is no server of gRPC',
      async () => createSvidServer(stage.source, { grpc: {} as GrpcServer }),
      'invalid-option',
    ],
    [
      'by a server with options of TLS of its own',
      async () =>
        createSvidServer(stage.source, { grpc: await stage.open({ tls: { graceMs: 1 } }) }),
      'invalid-option',
    ],
    [
      'by a server with another source',
      async () => createSvidServer((await Stage.set()).source, { grpc: await stage.open() }),
      'invalid-option',
    ],
    [
      'by a server that listens on another',
      async () => createSvidServer(stage.source, { grpc: (await stage.serve()).server }),
      'wrong-state',
    ],
    [
      'by one that shares a port already',
      async () => createSvidServer(stage.source, { grpc: (await share()).grpc }),
      'wrong-state',
    ],
    [
      'by one that is to listen as well',
      async () => await (await share()).grpc.listen({ port: 0 }),
      'wrong-state',
    ],
  ])('%s', async (_, make, code) => {
    await expect(make()).rejects.toMatchObject({ code })
  })
})
