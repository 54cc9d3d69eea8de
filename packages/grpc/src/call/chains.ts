import type { Metadata } from '@grpc/grpc-js'
import type { CallChain } from '@fastify-spiffe/policy'
import type { ConnectionPeer } from '@fastify-spiffe/tls'

/** The names of the two entries of metadata that carry a chain. */
const CHAIN = 'svid-chain'
const CERTIFICATES = 'svid-chain-certs'

/** What a server needs of `Chains` of `@fastify-spiffe/chain`. */
export interface GrpcChains {
  /** Verifies the chain that a caller presents. */
  verify(
    fields: { readonly chain: readonly string[]; readonly certificates: readonly string[] },
    peer: ConnectionPeer | null,
  ):
    | { readonly ok: true; readonly chain: CallChain | null }
    | { readonly ok: false; readonly code: string }
  /** Calls `run` in the context of a call. */
  run<T>(peer: ConnectionPeer | null, chain: CallChain | null, run: () => T): T
}

/** The two entries of metadata, one text for each value. */
export function chainFieldsOf(metadata: Metadata): Parameters<GrpcChains['verify']>[0] {
  return { chain: textsOf(metadata, CHAIN), certificates: textsOf(metadata, CERTIFICATES) }
}

function textsOf(metadata: Metadata, key: string): readonly string[] {
  return metadata.get(key).map(String)
}
