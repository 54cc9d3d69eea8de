import { createRequire } from 'node:module'

import { loadSync } from '@grpc/proto-loader'
import type { AnyDefinition, MethodDefinition, ServiceDefinition } from '@grpc/proto-loader'

/** A method of the Workload API. */
export type Method = MethodDefinition<object, object>

export type MethodName = 'FetchX509SVID' | 'FetchX509Bundles'

let service: ServiceDefinition | undefined

/** The method as the official service definition has it. The file is read once, at the first call. */
export function workloadApiMethod(name: MethodName): Method {
  service ??= load()
  const method = service[name]
  if (method === undefined) throw new TypeError(`workload.proto has no method ${name}`)
  return method
}

function load(): ServiceDefinition {
  const file = createRequire(import.meta.url).resolve('@fastify-spiffe/spiffe/workload.proto')
  // With defaults, so that an absent field is an empty one: proto3 does not tell them apart.
  const definition = loadSync(file, { defaults: true })['SpiffeWorkloadAPI']
  if (!isService(definition)) throw new TypeError('workload.proto does not define the service')
  return definition
}

function isService(definition: AnyDefinition | undefined): definition is ServiceDefinition {
  // Of all definitions, only messages and enumerations have a format.
  return definition !== undefined && typeof definition['format'] !== 'string'
}
