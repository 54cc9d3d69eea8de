import { BundleSet, SpiffeError, X509Svid, verifyX509Svid } from '@fastify-spiffe/spiffe'
import type { X509Bundle } from '@fastify-spiffe/spiffe'

import { WorkloadApiError, quote } from '../errors.ts'
import type { RawX509Svid } from './decode.ts'
import { LIMITS } from './limits.ts'

/**
 * An SVID that the workload may present: well-formed, with its own key, named as the endpoint says,
 * and good enough to pass at a peer that trusts the same bundle.
 * @throws {@link WorkloadApiError} `invalid-svid`, `key-mismatch`, `untrusted-svid`
 */
export function parseOwnSvid(raw: RawX509Svid, bundle: X509Bundle, clock: () => number): X509Svid {
  const svid = fromDer(raw, clock)
  // Workload API §5.2.1: `spiffe_id` is the ID in the SVID.
  if (svid.spiffeId.toString() !== raw.spiffeId) {
    throw new WorkloadApiError(
      'invalid-svid',
      `an SVID for ${quote(raw.spiffeId)} names ${svid.spiffeId.toString()} in its certificate`,
    )
  }
  const verification = verifyX509Svid(svid.certificates, BundleSet.of(bundle), { clock })
  if (!verification.ok) {
    throw new WorkloadApiError(
      verification.code === 'expired' ? 'invalid-svid' : 'untrusted-svid',
      `the SVID ${raw.spiffeId} does not verify against its own bundle (${verification.code}): ${verification.message}`,
    )
  }
  return svid
}

function fromDer(
  { spiffeId, x509Svid, x509SvidKey, hint }: RawX509Svid,
  clock: () => number,
): X509Svid {
  if (Buffer.byteLength(hint) > LIMITS.hintBytes) {
    throw new WorkloadApiError(
      'invalid-svid',
      `the hint of an SVID is longer than ${LIMITS.hintBytes} bytes`,
    )
  }
  try {
    return X509Svid.fromDer({ certificates: x509Svid, privateKey: x509SvidKey, hint, clock })
  } catch (cause) {
    if (!(cause instanceof SpiffeError)) throw cause
    throw new WorkloadApiError(
      cause.code === 'key-mismatch' ? 'key-mismatch' : 'invalid-svid',
      `the SVID for ${quote(spiffeId)} is refused (${cause.code}): ${cause.message}`,
      { cause },
    )
  }
}
