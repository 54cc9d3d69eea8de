import type { SecureContextOptions } from 'node:tls'
import type { X509Svid } from '@fastify-spiffe/spiffe'
import { TlsError } from '../errors.ts'

/**
 * Refuses an SVID that Node would accept, and with which every handshake would fail.
 * @throws {@link TlsError} `invalid-material`
 */
export function assertPresentable(
  svid: X509Svid,
  { cert, key }: SecureContextOptions,
  now: number,
): void {
  const fault =
    presentationFault(cert, 'certificate') ??
    presentationFault(key, 'private key') ??
    (svid.isExpired(now) ? `expired at ${new Date(svid.notAfter).toISOString()}` : null)
  if (fault !== null) {
    throw new TlsError('invalid-material', `the SVID of ${svid.spiffeId.toString()} ${fault}`)
  }
}

function presentationFault(pem: unknown, what: string): string | null {
  return typeof pem === 'string' && pem.startsWith('-----BEGIN ') ? null : `has no ${what}`
}

/** Returns whether two SVIDs have the same certificates. The same leaf has the same key. */
export function isSameMaterial(one: X509Svid, other: X509Svid): boolean {
  return (
    one === other ||
    (one.certificates.length === other.certificates.length &&
      one.certificates.every(
        ({ fingerprint256 }, index) => fingerprint256 === other.certificates[index]?.fingerprint256,
      ))
  )
}
