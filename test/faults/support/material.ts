import type { MintedCertificate } from '@fastify-spiffe/authority'
import type { X509Svid } from '@fastify-spiffe/spiffe'

/** What `node:tls` presents. It goes through the channel to a child process. */
export interface Material {
  readonly cert: string
  readonly key: string
}

export function materialOf(from: MintedCertificate | X509Svid): Material {
  return 'leaf' in from
    ? { cert: from.exportCertificatesPem(), key: from.exportPrivateKeyPem() }
    : { cert: from.certificatesPem, key: from.privateKeyPem }
}
