import { type ChannelCredentials, credentials } from '@grpc/grpc-js'
import { type ConnectionPeer, TlsError, type TlsOptionsOptions } from '@fastify-spiffe/tls'
import { observedTlsOptions } from '@fastify-spiffe/tls/internal'

/** Told of each server whose SVID was looked at. */
export interface ProofListener {
  readonly onProven: (peer: ConnectionPeer) => void
  readonly onRefused: (error: TlsError) => void
}

/**
 * All that this package needs of the TLS of gRPC clients, by public means alone: OpenSSL lets through what an authority of
 * the source vouches for, and our verifier decides, before a byte of a call is sent. Channels with the same object share
 * their connections, and others do not.
 */
export function credentialsOf(
  options: TlsOptionsOptions,
  { onProven, onRefused }: ProofListener,
): ChannelCredentials {
  const { secureContext, rejectUnauthorized, checkServerIdentity } = observedTlsOptions(
    options,
    onProven,
  )
  return credentials.createFromSecureContext(secureContext, {
    rejectUnauthorized,
    checkServerIdentity: (host, certificate) => {
      const error = checkServerIdentity(host, certificate)
      if (error instanceof TlsError) onRefused(error)
      return error
    },
  })
}
