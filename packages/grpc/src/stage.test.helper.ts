import tls from 'node:tls'
import { mintRootCa, type MintedCa, type MintedCertificate } from '@fastify-spiffe/authority'
import { BundleSet, X509Bundle } from '@fastify-spiffe/spiffe'
import { ScriptedSource } from '@fastify-spiffe-test/kit/scripted-source'
import {
  Client,
  type ClientDuplexStream,
  type ClientOptions,
  credentials,
  Metadata,
  type MethodDefinition,
  type ServerDuplexStream,
  type ServerReadableStream,
  type ServerUnaryCall,
  type ServerWritableStream,
  type ServiceDefinition,
  type sendUnaryData,
  type ServiceError,
  type UntypedServiceImplementation,
} from '@grpc/grpc-js'
import { GrpcServer, type GrpcServerOptions, peerOf, type ServiceRules } from './index.ts'

export const SERVER_ID = 'spiffe://example.org/acme/server'
export const WEB_ID = 'spiffe://example.org/acme/web'
export const API_ID = 'spiffe://example.org/acme/api'

type Method = MethodDefinition<string, string>

function method(name: string, requestStream: boolean, responseStream: boolean): Method {
  return {
    path: `/test.v1.Words/${name}`,
    originalName: name.toLowerCase(),
    requestStream,
    responseStream,
    requestSerialize: (text) => Buffer.from(text),
    requestDeserialize: (bytes) => bytes.toString(),
    responseSerialize: (text) => Buffer.from(text),
    responseDeserialize: (bytes) => bytes.toString(),
  }
}

/** A service with a method of each kind, whose messages are words. */
export const words: ServiceDefinition &
  Readonly<Record<'Say' | 'Repeat' | 'Join' | 'Echo', Method>> = {
  Say: method('Say', false, false),
  Repeat: method('Repeat', false, true),
  Join: method('Join', true, false),
  Echo: method('Echo', true, true),
}

/** What handlers were called, and with how many messages. */
export class Heard {
  readonly handlers: string[] = []
  messages = 0

  readonly implementation: UntypedServiceImplementation = {
    Say: (call: ServerUnaryCall<string, string>, callback: sendUnaryData<string>): void => {
      this.handlers.push('Say')
      this.messages++
      callback(null, `${call.request} from ${String(peerOf(call)?.spiffeId ?? null)}`)
    },
    Repeat: (call: ServerWritableStream<string, string>): void => {
      this.handlers.push('Repeat')
      this.messages++
      call.write(call.request)
      call.end()
    },
    Join: (call: ServerReadableStream<string, string>, callback: sendUnaryData<string>): void => {
      this.handlers.push('Join')
      const parts: string[] = []
      call.on('data', (part: string) => {
        this.messages++
        parts.push(part)
      })
      call.on('end', () => callback(null, parts.join(' ')))
    },
    Echo: (call: ServerDuplexStream<string, string>): void => {
      this.handlers.push('Echo')
      call.on('data', (part: string) => {
        this.messages++
        call.write(part)
      })
      call.on('end', () => call.end())
      call.on('error', () => undefined)
    },
  }
}

export function bundlesOf(...authorities: readonly MintedCa[]): BundleSet {
  return BundleSet.of(
    ...authorities.map(({ trustDomain, certificate }) => X509Bundle.of(trustDomain, [certificate])),
  )
}

/** The authority of a trust domain, and what servers and clients of a test have of it. */
export class Stage {
  readonly authority: MintedCa
  readonly source: ScriptedSource
  readonly bundles: BundleSet
  readonly #closing: (() => unknown)[] = []

  private constructor(authority: MintedCa, bundles: BundleSet, source: ScriptedSource) {
    this.authority = authority
    this.bundles = bundles
    this.source = source
  }

  static async set(): Promise<Stage> {
    const authority = await mintRootCa('example.org')
    const bundles = bundlesOf(authority)
    const svid = (await authority.mint(SERVER_ID)).toX509Svid()
    return new Stage(authority, bundles, new ScriptedSource(svid, bundles))
  }

  /** Has something closed with the stage, the last first. */
  keep<T>(kept: T, close: (kept: T) => unknown): T {
    this.#closing.push(() => close(kept))
    return kept
  }

  async clear(): Promise<void> {
    // oxlint-disable-next-line no-await-in-loop -- one after another
    for (const close of this.#closing.splice(0).toReversed()) await close()
  }

  /** A certificate that was valid until a second ago. */
  mintExpired(id: string): Promise<MintedCertificate> {
    const notAfter = Date.now() - 1000
    return this.authority.mint(id, { notBefore: notAfter - 3_600_000, notAfter })
  }

  async open(options: Partial<GrpcServerOptions> = {}): Promise<GrpcServer> {
    const server = await GrpcServer.open({ source: this.source, ...options })
    return this.keep(server, (it) => it.close())
  }

  /** A server with the service of words, that listens. */
  async serve(
    rules: ServiceRules = { rule: { anyAuthenticated: true } },
    options: Partial<GrpcServerOptions> = {},
  ): Promise<{ server: GrpcServer; port: number; heard: Heard }> {
    const server = await this.open(options)
    const heard = new Heard()
    server.addService(words, heard.implementation, rules)
    const { port } = await server.listen({ port: 0 })
    return { server, port, heard }
  }

  async client(port: number, id: string = WEB_ID, options: ClientOptions = {}): Promise<Words> {
    return this.clientWith(port, await this.authority.mint(id), options)
  }

  /** A client of bare gRPC, that presents a certificate; `null`: none. */
  clientWith(port: number, minted: MintedCertificate | null, options: ClientOptions = {}): Words {
    const secureContext = tls.createSecureContext({
      ca: this.authority.certificatePem,
      ...(minted !== null && { cert: minted.certificatesPem, key: minted.privateKeyPem }),
    })
    const trusting = credentials.createFromSecureContext(secureContext, {
      checkServerIdentity: () => undefined,
    })
    const client = new Words(`localhost:${port}`, trusting, {
      'grpc.use_local_subchannel_pool': 1,
      'grpc.initial_reconnect_backoff_ms': 100,
      ...options,
    })
    return this.keep(client, (it) => it.close())
  }
}

/** What became of a call: the answer, or the number of the status. */
export type Outcome = string | number

/** A client of the service of words. */
export class Words extends Client {
  say(text = 'hello', metadata: Readonly<Record<string, string>> = {}): Promise<Outcome> {
    return this.unary(words.Say, text, metadata)
  }

  unary<Q, A>(
    { path, requestSerialize, responseDeserialize }: MethodDefinition<Q, A>,
    request: Q,
    metadata: Readonly<Record<string, string>> = {},
  ): Promise<A | number> {
    return new Promise((resolve) => {
      const done = (error: ServiceError | null, answer?: A): void =>
        resolve(error === null ? answer! : error.code)
      this.makeUnaryRequest(
        path,
        requestSerialize,
        responseDeserialize,
        request,
        metadataOf(metadata),
        done,
      )
    })
  }

  async repeat(text = 'hello'): Promise<Outcome> {
    const { path, requestSerialize, responseDeserialize } = words.Repeat
    const call = this.makeServerStreamRequest(path, requestSerialize, responseDeserialize, text)
    return await answersOf(call)
  }

  join(...parts: readonly string[]): Promise<Outcome> {
    const { path, requestSerialize, responseDeserialize } = words.Join
    return new Promise((resolve) => {
      const call = this.makeClientStreamRequest(
        path,
        requestSerialize,
        responseDeserialize,
        (error, answer) => resolve(error === null ? answer! : error.code),
      )
      for (const part of parts) call.write(part)
      call.end()
    })
  }

  echo(): ClientDuplexStream<string, string> {
    const { path, requestSerialize, responseDeserialize } = words.Echo
    const call = this.makeBidiStreamRequest(path, requestSerialize, responseDeserialize)
    call.on('error', () => undefined)
    return call
  }

  /** What becomes of a call of each kind. */
  async each(): Promise<readonly Outcome[]> {
    const echo = this.echo()
    echo.write('hello')
    echo.end()
    return await Promise.all([this.say(), this.repeat(), this.join('a', 'b'), answersOf(echo)])
  }
}

function metadataOf(record: Readonly<Record<string, string>>): Metadata {
  const metadata = new Metadata()
  for (const [key, value] of Object.entries(record)) metadata.add(key, value)
  return metadata
}

/** All messages of a stream, joined; the number of its status if that is not OK. */
export async function answersOf(call: NodeJS.EventEmitter): Promise<Outcome> {
  const parts: string[] = []
  call.on('data', (part: string) => parts.push(part)).on('error', () => undefined)
  // Not `once`, which rejects when the error comes before.
  const code = await new Promise<number>((resolve) => {
    call.on('status', (it: { code: number }) => resolve(it.code))
  })
  return code === 0 ? parts.join(' ') : code
}
