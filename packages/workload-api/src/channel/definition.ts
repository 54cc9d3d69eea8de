import { fromJSON } from '@grpc/proto-loader'
import type { AnyDefinition, MethodDefinition, ServiceDefinition } from '@grpc/proto-loader'

import { DESCRIPTOR } from './workload-descriptor.ts'

/** A method of the Workload API. */
export type Method = MethodDefinition<object, object>

export type MethodName =
  | 'FetchX509SVID'
  | 'FetchX509Bundles'
  | 'FetchJWTSVID'
  | 'FetchJWTBundles'
  | 'ValidateJWTSVID'
  | 'FetchWITSVID'
  | 'FetchWITBundles'

let service: ServiceDefinition | undefined

/** The method as the official service definition has it. It is compiled once, at the first call. */
export function workloadApiMethod(name: MethodName): Method {
  service ??= load()
  const method = service[name]
  if (method === undefined) throw new TypeError(`workload.proto has no method ${name}`)
  return method
}

function load(): ServiceDefinition {
  // With defaults, so that an absent field is an empty one: proto3 does not distinguish them.
  const definition = fromJSON(DESCRIPTOR, { defaults: true })['SpiffeWorkloadAPI']
  if (!isService(definition)) throw new TypeError('workload.proto does not define the service')
  return definition
}

function isService(definition: AnyDefinition | undefined): definition is ServiceDefinition {
  // Of all definitions, only messages and enumerations have a format.
  return definition !== undefined && typeof definition['format'] !== 'string'
}
