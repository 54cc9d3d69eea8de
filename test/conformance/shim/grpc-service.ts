import { fileURLToPath } from 'node:url'
import type {
  handleBidiStreamingCall,
  handleClientStreamingCall,
  handleServerStreamingCall,
  handleUnaryCall,
  ServiceDefinition,
  UntypedServiceImplementation,
} from '@grpc/grpc-js'
import { peerOf, type HandledCall } from '@fastify-spiffe/grpc'
import { loadSync } from '@grpc/proto-loader'

/** `harness.v1.Text`; `Empty` is one without a value. */
export interface Text {
  readonly value: string
}

const TICK_MS = 100
const proto = fileURLToPath(new URL('../identity.proto', import.meta.url))

/** `harness.v1.Identity`. */
// oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the file defines this service
export const identityDefinition = loadSync(proto, { defaults: true })[
  'harness.v1.Identity'
] as ServiceDefinition

const callerOf = (call: HandledCall): Text => ({ value: String(peerOf(call)?.spiffeId) })

const who: handleUnaryCall<object, Text> = (call, callback) => callback(null, callerOf(call))

const ticks: handleServerStreamingCall<object, Text> = (call) => {
  const timer = setInterval(() => call.write(callerOf(call)), TICK_MS)
  call.on('cancelled', () => clearInterval(timer)).on('error', () => clearInterval(timer))
}

const sum: handleClientStreamingCall<Text, Text> = (call, callback) => {
  let count = 0
  call.on('data', () => count++).on('end', () => callback(null, { value: String(count) }))
}

const echo: handleBidiStreamingCall<Text, Text> = (call) => {
  call.on('data', (text) => call.write(text)).on('end', () => call.end())
  call.on('error', () => undefined)
}

/** The service, as the contract describes it. */
export const identityService: UntypedServiceImplementation = {
  Who: who,
  Ticks: ticks,
  Sum: sum,
  Echo: echo,
  Secret: who,
}
