import { constants } from 'node:crypto'
import type { SecureContextOptions, SecureVersion } from 'node:tls'
import type { X509Svid } from '@fastify-spiffe/spiffe'

/** The lowest TLS version that this package speaks. */
export type MinVersion = 'TLSv1.2' | 'TLSv1.3'

export const MIN_VERSIONS: readonly MinVersion[] = ['TLSv1.3', 'TLSv1.2']

/**
 * The complete context of one endpoint. Node resets what is left out, so every rotation passes all
 * of it. Without an SVID the context has no certificate, and every handshake on it fails.
 */
export const contextOptions = (
  svid: X509Svid | null,
  minVersion: SecureVersion,
): SecureContextOptions => ({
  // An empty store, not the public roots: OpenSSL verifies nothing, our verifier everything.
  ca: [],
  minVersion,
  maxVersion: 'TLSv1.3',
  // A resumed session is never verified again; a renegotiation can swap the certificate.
  secureOptions: constants.SSL_OP_NO_TICKET | constants.SSL_OP_NO_RENEGOTIATION,
  ...(svid === null ? {} : { cert: svid.exportCertificatesPem(), key: svid.exportPrivateKeyPem() }),
})
