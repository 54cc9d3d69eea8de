import type { Metadata } from '@grpc/grpc-js'
import type { CallChain, Caller, CallReader, CallValue } from '@fastify-spiffe/policy'
import { canonicalAddress } from '@fastify-spiffe/policy/internal'
import { isCurrent } from '@fastify-spiffe/tls'
import type { GrpcCall } from './grpc-call.ts'
import { hostIn } from './host.ts'

/** What calls carry by themselves, for rules to read. */
export const ATTRIBUTES: CallReader['attributes'] = new Map([
  ['host', 'single'],
  ['ip', 'single'],
  ['headers', 'group'],
])

/** The method of HTTP/2 by which every call comes (gRPC over HTTP2, Requests). */
export const METHOD = 'POST'

/** Metadata keys as gRPC allows them, in lower case. */
const KEY = /^[0-9a-z_.-]+$/

/** Reads calls of gRPC. */
export class GrpcCallReader implements CallReader<GrpcCall> {
  readonly attributes: CallReader['attributes'] = ATTRIBUTES
  readonly #clock: () => number

  /** @param clock - in milliseconds since the epoch */
  constructor(clock: () => number) {
    this.#clock = clock
  }

  /** A peer whose proof has ended has no identity. */
  caller({ peer }: GrpcCall): Caller | null {
    return peer !== null && isCurrent(peer, this.#clock()) ? peer : null
  }

  method(): string {
    return METHOD
  }

  route({ path }: GrpcCall): string {
    return path
  }

  remoteAddress({ remoteAddress }: GrpcCall): string {
    return remoteAddress ?? ''
  }

  id({ id }: GrpcCall): string {
    return id
  }

  attribute({ metadata, host, remoteAddress }: GrpcCall, group: string, name: string): CallValue {
    switch (group) {
      case 'headers':
        return valueOf(metadata, name)
      case 'host':
        return hostIn(host)
      case 'ip':
        // An address of the link itself comes with its interface, which no list names.
        return canonicalAddress(remoteAddress?.replace(/%.*$/s, ''))
      default:
        return undefined
    }
  }

  problemWith(group: string, name: string): string | null {
    if (group !== 'headers') return null
    if (!KEY.test(name)) return 'metadata keys have lower-case letters, digits and _ . -'
    return name.endsWith('-bin') ? 'binary metadata cannot be compared' : null
  }
}

/** The same of a server that verifies chains, so that rules may name on whose behalf a call is made. */
export class ChainedCallReader extends GrpcCallReader {
  chain({ chain }: GrpcCall): CallChain | null {
    return chain
  }
}

/**
 * The one value of a metadata key. gRPC lets whoever transports it join several values by commas, so that one with a comma
 * may be several (gRPC over HTTP2, Custom-Metadata).
 */
function valueOf(metadata: Metadata, name: string): CallValue {
  const [value, ...others] = metadata.get(name)
  if (value === undefined) return undefined
  const isSingle = others.length === 0 && typeof value === 'string' && !value.includes(',')
  return isSingle ? value : null
}
