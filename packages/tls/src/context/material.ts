import type { SecureContextOptions } from 'node:tls'
import type { X509Svid } from '@fastify-spiffe/spiffe'
import { TlsError } from '../errors.ts'

/**
 * Refuses what Node would accept, only to fail every handshake with it.
 * @throws {@link TlsError} `invalid-material`
 */
export const assertPresentable = (
  svid: X509Svid,
  { cert, key }: SecureContextOptions,
  now: number,
): void => {
  const fault =
    presentationFault(cert, 'certificate') ??
    presentationFault(key, 'private key') ??
    (svid.isExpired(now) ? `expired at ${new Date(svid.notAfter).toISOString()}` : null)
  if (fault !== null) {
    throw new TlsError('invalid-material', `the SVID of ${svid.spiffeId.toString()} ${fault}`)
  }
}

const presentationFault = (pem: unknown, what: string): string | null =>
  typeof pem === 'string' && pem.startsWith('-----BEGIN ') ? null : `has no ${what}`

/** Whether two SVIDs look the same on the wire. The same leaf has the same key. */
export const isSameMaterial = (one: X509Svid, other: X509Svid): boolean =>
  one === other ||
  (one.certificates.length === other.certificates.length &&
    one.certificates.every(
      ({ fingerprint256 }, index) => fingerprint256 === other.certificates[index]?.fingerprint256,
    ))
