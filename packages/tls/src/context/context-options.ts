import { constants, randomBytes } from 'node:crypto'
import type { SecureContextOptions, SecureVersion } from 'node:tls'
import type { X509Svid } from '@fastify-spiffe/spiffe'

/** The lowest TLS version that this package speaks. */
export type MinVersion = 'TLSv1.2' | 'TLSv1.3'

export const MIN_VERSIONS: readonly MinVersion[] = ['TLSv1.3', 'TLSv1.2']

/**
 * The complete context of one endpoint. Node resets what is left out, so every rotation passes all
 * of it. Without an SVID the context has no certificate, and every handshake on it fails.
 *
 * @param sessionTicketLifetimeMs 0: no session can be resumed
 */
export const contextOptions = (
  svid: X509Svid | null,
  minVersion: SecureVersion,
  sessionTicketLifetimeMs = 0,
): SecureContextOptions => ({
  // An empty store, not the public roots: OpenSSL verifies nothing, our verifier everything.
  ca: [],
  minVersion,
  maxVersion: 'TLSv1.3',
  ...sessionOptions(sessionTicketLifetimeMs),
  ...(svid === null ? {} : { cert: svid.exportCertificatesPem(), key: svid.exportPrivateKeyPem() }),
})

// A renegotiation can swap the certificate; nothing verifies a resumed session but our acceptor.
const sessionOptions = (lifetimeMs: number): SecureContextOptions => {
  const { SSL_OP_NO_RENEGOTIATION, SSL_OP_NO_TICKET } = constants
  if (lifetimeMs === 0) return { secureOptions: SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_TICKET }
  return {
    secureOptions: SSL_OP_NO_RENEGOTIATION,
    sessionTimeout: Math.floor(lifetimeMs / 1000),
    // Never `ticketKeys`: Node makes new ones with each context. Nor does a session of another
    // context count that was kept elsewhere: its own name is in it.
    sessionIdContext: randomBytes(16).toString('hex'),
  }
}
