import { InterceptingCall } from '@grpc/grpc-js'
import type { Interceptor } from '@grpc/grpc-js'

/**
 * Workload Endpoint §3: every call carries the metadata `workload.spiffe.io: true`, which keeps a
 * tricked web client from reaching the endpoint. Every call of a channel passes here, and `set`
 * leaves exactly one value.
 */
export const addSecurityHeader: Interceptor = (options, nextCall) =>
  new InterceptingCall(nextCall(options), {
    start(metadata, listener, next) {
      metadata.set('workload.spiffe.io', 'true')
      next(metadata, listener)
    },
  })
