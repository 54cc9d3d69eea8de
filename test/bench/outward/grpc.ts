import { once } from 'node:events'
import tls from 'node:tls'
import { Authority } from '@fastify-spiffe/authority'
import { createGrpcClient, GrpcServer } from '@fastify-spiffe/grpc'
import {
  Client,
  type ClientDuplexStream,
  credentials,
  type MethodDefinition,
  type sendUnaryData,
  Server,
  ServerCredentials,
  type ServerDuplexStream,
  type ServerUnaryCall,
  type ServiceDefinition,
} from '@grpc/grpc-js'
import { compare, type Comparison, type Pair } from './paired.ts'

const SERVER = 'spiffe://example.org/acme/orders'
const WEB = 'spiffe://example.org/acme/web'
const WORKERS = 20
const ROUNDS = 14
const UNARY_CALLS = 2000
const MESSAGES = 4000

type Method = MethodDefinition<Buffer, Buffer>

function same(bytes: Buffer): Buffer {
  return bytes
}

function method(name: string, isStream: boolean): Method {
  return {
    path: `/bench.v1.Bench/${name}`,
    originalName: name.toLowerCase(),
    requestStream: isStream,
    responseStream: isStream,
    requestSerialize: same,
    requestDeserialize: same,
    responseSerialize: same,
    responseDeserialize: same,
  }
}

const say = method('Say', false)
const echo = method('Echo', true)
const definition: ServiceDefinition = { Say: say, Echo: echo }
const MESSAGE = Buffer.alloc(100, 1)

const implementation = {
  Say: (call: ServerUnaryCall<Buffer, Buffer>, callback: sendUnaryData<Buffer>): void =>
    callback(null, call.request),
  Echo: (call: ServerDuplexStream<Buffer, Buffer>): void => {
    call.on('data', (message: Buffer) => call.write(message)).on('end', () => call.end())
  },
}

function callOnce(client: Client): Promise<void> {
  return new Promise((resolve, reject) => {
    client.makeUnaryRequest(
      say.path,
      say.requestSerialize,
      say.responseDeserialize,
      MESSAGE,
      (error) => (error === null ? resolve() : reject(error)),
    )
  })
}

async function manyCalls(client: Client): Promise<void> {
  const worker = async (): Promise<void> => {
    for (let sent = 0; sent < UNARY_CALLS / WORKERS; sent++) await callOnce(client)
  }
  await Promise.all(Array.from({ length: WORKERS }, worker))
}

/** One stream, and a message when the one before has come back. */
async function manyMessages(client: Client): Promise<void> {
  const stream: ClientDuplexStream<Buffer, Buffer> = client.makeBidiStreamRequest(
    echo.path,
    echo.requestSerialize,
    echo.responseDeserialize,
  )
  const ended = once(stream, 'status')
  let left = MESSAGES
  stream.on('data', () => {
    if (--left === 0) stream.end()
    else stream.write(MESSAGE)
  })
  stream.write(MESSAGE)
  await ended
}

/** Calls of gRPC with both ends in this process: ours, and those of grpc-js with static certificates and its own TLS. */
export async function compareGrpc(): Promise<Comparison[]> {
  await using authority = await Authority.create({ trustDomain: 'example.org' })
  const [orders, web] = await Promise.all([authority.source(SERVER), authority.source(WEB)])
  const server = await GrpcServer.open({ source: orders })
  server.addService(definition, implementation, { rule: { allow: [WEB] } })
  const { port } = await server.listen({ port: 0 })
  const ours = createGrpcClient(Client, {
    target: `127.0.0.1:${port}`,
    source: web,
    server: SERVER,
  })
  const bare = await startBare(authority)
  const pairOf = (work: (client: Client) => Promise<void>): Pair => ({
    ours: () => work(ours),
    bare: () => work(bare.client),
  })
  const common = { rounds: ROUNDS, goal: 0.95 }
  const results = [
    await compare(pairOf(manyCalls), {
      ...common,
      name: 'gRPC, unary calls, both ends',
      unit: 'call',
      units: UNARY_CALLS,
    }),
    await compare(pairOf(manyMessages), {
      ...common,
      name: 'gRPC, messages of one stream and back, both ends',
      unit: 'message',
      units: MESSAGES,
    }),
  ]
  ours.close()
  bare.client.close()
  bare.server.forceShutdown()
  await server.close()
  await Promise.all([orders.close(), web.close()])
  return results
}

async function startBare(authority: Authority): Promise<{ server: Server; client: Client }> {
  const [orders, web] = await Promise.all([
    authority.issueX509Svid(SERVER),
    authority.issueX509Svid(WEB),
  ])
  const ca = authority.bundle.authorities.map(({ x509 }) => x509.toString()).join('')
  const server = new Server()
  server.addService(definition, implementation)
  const pair = {
    cert_chain: Buffer.from(orders.exportCertificatesPem()),
    private_key: Buffer.from(orders.exportPrivateKeyPem()),
  }
  const ofServer = ServerCredentials.createSsl(Buffer.from(ca), [pair], true)
  const port = await new Promise<number>((resolve, reject) => {
    server.bindAsync('127.0.0.1:0', ofServer, (error, bound) =>
      error === null ? resolve(bound) : reject(error),
    )
  })
  const secureContext = tls.createSecureContext({
    ca,
    cert: web.exportCertificatesPem(),
    key: web.exportPrivateKeyPem(),
  })
  // The authority is all that is verified: an SVID has no host name.
  const ofClient = credentials.createFromSecureContext(secureContext, {
    checkServerIdentity: () => undefined,
  })
  return { server, client: new Client(`localhost:${port}`, ofClient) }
}
