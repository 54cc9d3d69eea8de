import { Client, type ServiceDefinition, type ServiceError, type StatusObject } from '@grpc/grpc-js'
import { createGrpcClient, healthDefinition, SvidChannel } from '@fastify-spiffe/grpc'
import { TlsError } from '@fastify-spiffe/tls'
import type { X509MaterialSource } from '@fastify-spiffe/spiffe'
import { rejected, type Answer } from './answer.ts'
import { identityDefinition, type Text } from './grpc-service.ts'
import { codeOf, matcherOf, type ServerNotation } from './outgoing.ts'
import { ownTokens } from './tokens.ts'

/** The body of `POST /v2/grpc/call`. */
interface GrpcCall {
  readonly address: string
  readonly server: ServerNotation
  readonly method: string
  readonly messages?: readonly string[]
  readonly audience?: string
  readonly seconds?: number
}

interface Outcome {
  readonly code: number
  readonly values: readonly string[]
  readonly cause: unknown
}

const DEFAULT_SECONDS = 5

const definitions: ServiceDefinition = { ...identityDefinition, Check: healthDefinition.Check }

/** Calls a method of a server, and answers with its status and messages. */
export async function callGrpc(source: X509MaterialSource, call: GrpcCall): Promise<Answer> {
  const target = call.address
  const { audience } = call
  const jwt = audience === undefined ? {} : { jwt: { audience, tokens: ownTokens } }
  const server = matcherOf(call.server)
  const client = createGrpcClient(Client, { target, source, server, ...jwt })
  try {
    const { code, values, cause } = await outcomeOf(client, call)
    if (cause instanceof TlsError) {
      const { code: httpStatus, body: reason } = rejected(cause)
      return { code: httpStatus, body: { ...reason, code: codeOf(cause), error: cause.code } }
    }
    const channel = client.getChannel()
    const [peer] = channel instanceof SvidChannel ? channel.peers : []
    const spiffeId = peer === undefined ? null : String(peer.spiffeId)
    return { code: 200, body: { status: 'ok', grpcStatus: code, values, spiffe_id: spiffeId } }
  } finally {
    client.close()
  }
}

function outcomeOf(client: Client, { method, messages = [], seconds }: GrpcCall): Promise<Outcome> {
  const definition = definitions[method]
  if (definition === undefined) throw new TypeError(`there is no method ${method}`)
  const { path, requestSerialize, responseDeserialize, requestStream } = definition
  const call = client.makeBidiStreamRequest(path, requestSerialize, responseDeserialize)
  // As a stream whatever its kind: on the wire there is no difference.
  const sent = requestStream ? messages.map((value) => ({ value })) : [{ service: '' }]
  for (const message of sent) call.write(message)
  call.end()
  const timer = setTimeout(() => call.cancel(), (seconds ?? DEFAULT_SECONDS) * 1000)
  const values: string[] = []
  let cause: unknown
  call.on('data', (message: Text | { status: number }) => {
    values.push('value' in message ? message.value : String(message.status))
  })
  call.on('error', (error: ServiceError) => (cause = error.cause))
  return new Promise((resolve) => {
    call.on('status', ({ code }: StatusObject) => {
      clearTimeout(timer)
      // The error comes in the same turn, before or after.
      setImmediate(() => resolve({ code, values, cause }))
    })
  })
}
