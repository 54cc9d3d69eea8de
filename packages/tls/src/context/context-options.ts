import { constants, randomBytes } from 'node:crypto'
import type { SecureContextOptions, SecureVersion } from 'node:tls'
import type { X509Svid } from '@fastify-spiffe/spiffe'

/** The lowest TLS version that this package speaks. */
export type MinVersion = 'TLSv1.2' | 'TLSv1.3'

export const MIN_VERSIONS: readonly MinVersion[] = ['TLSv1.3', 'TLSv1.2']

/**
 * The complete options of a secure context. Node resets each option that is left out, so that every
 * rotation passes all of them. Without an SVID there is no certificate, and every handshake fails.
 *
 * @param sessionTicketLifetimeMs 0: no session can be resumed
 */
export function contextOptions(
  svid: X509Svid | null,
  minVersion: SecureVersion,
  sessionTicketLifetimeMs = 0,
): SecureContextOptions {
  return {
    // No CA, instead of the public roots: OpenSSL verifies nothing, our verifier everything.
    ca: [],
    minVersion,
    maxVersion: 'TLSv1.3',
    ...sessionOptions(sessionTicketLifetimeMs),
    ...(svid === null
      ? {}
      : { cert: svid.exportCertificatesPem(), key: svid.exportPrivateKeyPem() }),
  }
}

// A renegotiation could change the certificate; only our acceptor verifies a resumed session.
function sessionOptions(lifetimeMs: number): SecureContextOptions {
  const { SSL_OP_NO_RENEGOTIATION, SSL_OP_NO_TICKET } = constants
  if (lifetimeMs === 0) return { secureOptions: SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_TICKET }
  return {
    secureOptions: SSL_OP_NO_RENEGOTIATION,
    sessionTimeout: Math.floor(lifetimeMs / 1000),
    // Never `ticketKeys`: Node makes new ones with each context. The random name refuses a session
    // of another context that was kept outside of this process.
    sessionIdContext: randomBytes(16).toString('hex'),
  }
}
