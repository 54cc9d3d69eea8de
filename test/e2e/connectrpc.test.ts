// oxlint-disable unicorn/consistent-function-scoping -- helpers stand beside the tests that use them
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import tls from 'node:tls'
import { Authority, type InProcessSource } from '@fastify-spiffe/authority'
import { createDispatcher } from '@fastify-spiffe/fetch'
import { GrpcServer, peerOf as grpcPeerOf } from '@fastify-spiffe/grpc'
import { createSvidServer, peerOf, SvidAgent, TlsError, tlsOptions } from '@fastify-spiffe/tls'
import {
  create,
  createFileRegistry,
  type DescMethodBiDiStreaming,
  type DescMethodUnary,
} from '@bufbuild/protobuf'
import {
  FileDescriptorProtoSchema,
  file_google_protobuf_wrappers,
  type StringValue,
  StringValueSchema,
} from '@bufbuild/protobuf/wkt'
import {
  ConnectError,
  createContextKey,
  createContextValues,
  type Transport,
} from '@connectrpc/connect'
import {
  connectNodeAdapter,
  createConnectTransport,
  createGrpcTransport,
  createGrpcWebTransport,
  Http2SessionManager,
} from '@connectrpc/connect-node'
import {
  createConnectTransport as createFetchTransport,
  createGrpcWebTransport as createFetchGrpcWebTransport,
} from '@connectrpc/connect-web'
import type { handleUnaryCall, MethodDefinition } from '@grpc/grpc-js'
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals'

const SERVER = 'spiffe://example.org/acme/words'
const WEB = 'spiffe://example.org/acme/web'

type Word = typeof StringValueSchema

const TEXT = '.google.protobuf.StringValue'
const file = create(FileDescriptorProtoSchema, {
  name: 'words.proto',
  package: 'test.v1',
  syntax: 'proto3',
  dependency: ['google/protobuf/wrappers.proto'],
  service: [
    {
      name: 'Words',
      method: [
        { name: 'Say', inputType: TEXT, outputType: TEXT },
        {
          name: 'Echo',
          inputType: TEXT,
          outputType: TEXT,
          clientStreaming: true,
          serverStreaming: true,
        },
      ],
    },
  ],
})
const { method } = createFileRegistry(file, () => file_google_protobuf_wrappers.proto).getService(
  'test.v1.Words',
)!
const say = method['say'] as DescMethodUnary<Word, Word>
const echo = method['echo'] as DescMethodBiDiStreaming<Word, Word>

const caller = createContextKey<string>('')

let authority: Authority
let serving: InProcessSource
let web: InProcessSource
let closing: (() => unknown)[]

beforeEach(async () => {
  closing = []
  authority = await Authority.create({ trustDomain: 'example.org' })
  keep(authority, (it) => it.close())
  serving = keep(await authority.source(SERVER), (it) => it.close())
  web = keep(await authority.source(WEB), (it) => it.close())
})

afterEach(async () => {
  // oxlint-disable-next-line no-await-in-loop -- one after another
  for (const close of closing.toReversed()) await close()
})

function keep<T>(kept: T, close: (kept: T) => unknown): T {
  closing.push(() => close(kept))
  return kept
}

/** A server of connect for both versions of HTTP, that answers with the caller, and what it was called with. */
async function serve(): Promise<{ port: number; serials: string[] }> {
  const serials: string[] = []
  const handler = connectNodeAdapter({
    contextValues: ({ socket }) => {
      const peer = peerOf(socket)
      serials.push(peer?.serialNumber ?? '')
      return createContextValues().set(caller, String(peer?.spiffeId))
    },
    routes: (router) => {
      router.rpc(say, ({ value }, { values }) => ({ value: `${value} from ${values.get(caller)}` }))
      router.rpc(echo, async function* (incoming) {
        yield* incoming
      })
    },
  })
  const server = createSvidServer(
    serving,
    { http2: true, allowHTTP1: true, graceMs: 1000 },
    handler,
  )
  keep(server, async (it) => {
    const closed = once(it, 'close')
    it.close()
    await closed
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return { port: (server.address() as AddressInfo).port, serials }
}

/** A server of gRPC alone. */
async function serveGrpc(): Promise<number> {
  const server = keep(await GrpcServer.open({ source: serving }), (it) => it.close())
  const answer: handleUnaryCall<string, string> = (call, callback) => {
    callback(null, `${call.request} from ${String(grpcPeerOf(call)?.spiffeId)}`)
  }
  // A string of less than 128 bytes, as the first field.
  const serialize = (text: string): Buffer => Buffer.from([0x0a, text.length, ...Buffer.from(text)])
  const definition: MethodDefinition<string, string> = {
    path: '/test.v1.Words/Say',
    requestStream: false,
    responseStream: false,
    requestSerialize: serialize,
    requestDeserialize: (bytes) => bytes.subarray(2).toString(),
    responseSerialize: serialize,
    responseDeserialize: (bytes) => bytes.subarray(2).toString(),
  }
  server.addService({ Say: definition }, { Say: answer }, { rule: { allow: [WEB] } })
  return (await server.listen({ port: 0 })).port
}

type Make = (port: number, server?: string) => Transport

const baseUrl = (port: number): string => `https://127.0.0.1:${port}`

function agentFor(server: string): SvidAgent {
  return keep(new SvidAgent({ source: web, server, keepAlive: true }), (it) => it.destroy())
}

function sessionsFor(port: number, server: string): Http2SessionManager {
  const options = tlsOptions({ source: web, server })
  return keep(new Http2SessionManager(baseUrl(port), {}, options), (it) => it.abort())
}

function fetchFor(server: string): typeof fetch {
  return keep(createDispatcher({ source: web, server }), (it) => it.close()).fetch
}

const overHttp1: readonly [string, Make][] = [
  [
    'connect',
    (port, server = SERVER) =>
      createConnectTransport({
        baseUrl: baseUrl(port),
        httpVersion: '1.1',
        nodeOptions: { agent: agentFor(server) },
      }),
  ],
  [
    'gRPC-Web',
    (port, server = SERVER) =>
      createGrpcWebTransport({
        baseUrl: baseUrl(port),
        httpVersion: '1.1',
        nodeOptions: { agent: agentFor(server) },
      }),
  ],
]

const overFetch: readonly [string, Make][] = [
  [
    'connect by fetch',
    (port, server = SERVER) =>
      createFetchTransport({ baseUrl: baseUrl(port), fetch: fetchFor(server) }),
  ],
  [
    'gRPC-Web by fetch',
    (port, server = SERVER) =>
      createFetchGrpcWebTransport({ baseUrl: baseUrl(port), fetch: fetchFor(server) }),
  ],
]

const overHttp2: readonly [string, Make][] = [
  [
    'connect',
    (port, server = SERVER) =>
      createConnectTransport({
        baseUrl: baseUrl(port),
        httpVersion: '2',
        sessionManager: sessionsFor(port, server),
      }),
  ],
  [
    'gRPC',
    (port, server = SERVER) =>
      createGrpcTransport({ baseUrl: baseUrl(port), sessionManager: sessionsFor(port, server) }),
  ],
  [
    'gRPC-Web',
    (port, server = SERVER) =>
      createGrpcWebTransport({
        baseUrl: baseUrl(port),
        httpVersion: '2',
        sessionManager: sessionsFor(port, server),
      }),
  ],
]

const every = [
  ...overHttp1.map(([name, make]) => [`${name} over HTTP/1.1`, make] as const),
  ...overFetch,
  ...overHttp2.map(([name, make]) => [`${name} over HTTP/2`, make] as const),
]

async function said(transport: Transport, value = 'hello'): Promise<string> {
  const { message } = await transport.unary(say, undefined, 10_000, undefined, { value })
  return message.value
}

async function* words(...values: readonly string[]): AsyncGenerator<StringValue> {
  for (const value of values) yield create(StringValueSchema, { value })
}

async function echoed(transport: Transport, ...values: readonly string[]): Promise<string[]> {
  const { message } = await transport.stream(echo, undefined, 10_000, undefined, words(...values))
  const parts: string[] = []
  for await (const { value } of message) parts.push(value)
  return parts
}

/** The error of this project behind the one of connect. */
function reasonOf(error: unknown): unknown {
  let cause: unknown = error
  while (cause instanceof Error && !(cause instanceof TlsError)) cause = cause.cause
  return cause instanceof TlsError ? cause.code : error
}

describe('clients of connect', () => {
  test.each(every)('call by %s, and are verified by their SPIFFE ID', async (_, make) => {
    const { port } = await serve()
    expect(await said(make(port))).toBe(`hello from ${WEB}`)
  })

  test.each(overHttp2)('stream both ways by %s over HTTP/2', async (_, make) => {
    const { port } = await serve()
    expect(await echoed(make(port), 'a', 'b')).toEqual(['a', 'b'])
  })

  test('call a server of gRPC', async () => {
    const port = await serveGrpc()
    const transport = createGrpcTransport({
      baseUrl: baseUrl(port),
      sessionManager: sessionsFor(port, SERVER),
    })
    expect(await said(transport)).toBe(`hello from ${WEB}`)
  })

  test.each([
    ...overHttp1.map(([name, make]) => [`${name} over HTTP/1.1`, make] as const),
    ...overFetch,
  ])('present the SVID of the moment by %s', async (_, make) => {
    const { port, serials } = await serve()
    const transport = make(port)
    await said(transport)
    await authority.rotateSvids()
    await said(transport)
    expect(serials[1]).toBe(web.svid?.leaf.serialNumber)
    expect(serials[1]).not.toBe(serials[0])
  })

  test.each(overHttp2)(
    'present the SVID of the moment by %s over HTTP/2 with a transport for each',
    async (_, make) => {
      const { port, serials } = await serve()
      let current = make(port)
      const stop = web.onUpdate(() => {
        current = make(port)
      })
      keep(stop, () => stop())
      const transport: Transport = {
        unary: (...call) => current.unary(...call),
        stream: (...call) => current.stream(...call),
      }
      await said(transport)
      await authority.rotateSvids()
      await said(transport)
      expect(serials[1]).toBe(web.svid?.leaf.serialNumber)
      expect(serials[1]).not.toBe(serials[0])
    },
  )
})

describe('a wrong server', () => {
  /** Takes anybody, and counts what it is sent. */
  async function evil(): Promise<{ port: number; bytesRead: () => number }> {
    const svid = await authority.issueX509Svid('spiffe://example.org/acme/evil')
    const server = tls.createServer({
      cert: svid.exportCertificatesPem(),
      key: svid.exportPrivateKeyPem(),
      ALPNProtocols: ['h2', 'http/1.1'],
    })
    let bytes = 0
    server.on('secureConnection', (socket) => {
      socket.on('error', () => undefined).on('data', ({ length }) => (bytes += length))
    })
    server.on('tlsClientError', () => undefined)
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    keep(server, (it) => once(it.close(), 'close'))
    return { port: (server.address() as AddressInfo).port, bytesRead: () => bytes }
  }

  test.each(every)('is sent no byte by %s, and the call says why', async (_, make) => {
    const { port, bytesRead } = await evil()
    const transport = make(port)
    const calls = Array.from({ length: 10 }, () => said(transport).catch((error: unknown) => error))
    for (const error of await Promise.all(calls)) {
      expect(error).toBeInstanceOf(ConnectError)
      expect(reasonOf(error)).toBe('server-not-allowed')
    }
    expect(bytesRead()).toBe(0)
  })
})
