import { fromJSON, type MethodDefinition } from '@grpc/proto-loader'
import { DESCRIPTOR } from './authorization-descriptor.ts'

export type CheckMethod = MethodDefinition<object, object>

/** The method `Check`. What a message does not set is absent: an answer of nothing must not look like an OK. */
export function checkMethod(): CheckMethod {
  const definitions = fromJSON(DESCRIPTOR, { defaults: false, oneofs: false })
  const service = definitions['envoy.service.auth.v3.Authorization']
  const method: unknown = service === undefined ? undefined : Reflect.get(service, 'Check')
  if (!isMethod(method)) throw new TypeError('authorization.proto does not define Check')
  return method
}

function isMethod(value: unknown): value is CheckMethod {
  return typeof value === 'object' && value !== null && 'requestSerialize' in value
}
