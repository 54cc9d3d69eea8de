import {
  fromJSON,
  type AnyDefinition,
  type MethodDefinition,
  type ServiceDefinition,
} from '@grpc/proto-loader'
import { DESCRIPTOR } from './workload-descriptor.ts'

/** The methods whose responses are a stream. */
export type StreamMethod = 'FetchX509SVID' | 'FetchX509Bundles' | 'FetchJWTBundles'

/** The methods that are answered once. */
export type UnaryMethod = 'FetchJWTSVID' | 'ValidateJWTSVID'

/** The methods that an endpoint serves. The others answer UNIMPLEMENTED. */
export type WorkloadApiMethod = StreamMethod | UnaryMethod

export const STREAM_METHODS: readonly StreamMethod[] = [
  'FetchX509SVID',
  'FetchX509Bundles',
  'FetchJWTBundles',
]

export const METHODS: readonly WorkloadApiMethod[] = [
  ...STREAM_METHODS,
  'FetchJWTSVID',
  'ValidateJWTSVID',
]

/** A response: an object in the field names of `workload.proto`, or the bytes of one. */
export type WorkloadApiMessage = Uint8Array | Readonly<Record<string, unknown>>

/** The Workload API's service, such that bytes are sent as they are. */
export const SERVICE: ServiceDefinition = loadService()

function loadService(): ServiceDefinition {
  const service = fromJSON(DESCRIPTOR, {})['SpiffeWorkloadAPI']
  if (!isService(service)) throw new TypeError('workload.proto defines no SpiffeWorkloadAPI')
  return Object.fromEntries(
    Object.entries(service).map(([name, method]) => [name, withRawResponses(method)]),
  )
}

function withRawResponses(
  method: MethodDefinition<object, object>,
): MethodDefinition<object, object> {
  return {
    ...method,
    responseSerialize: (message) =>
      message instanceof Uint8Array ? Buffer.from(message) : method.responseSerialize(message),
  }
}

function isService(definition: AnyDefinition | undefined): definition is ServiceDefinition {
  return definition !== undefined && !('format' in definition)
}
