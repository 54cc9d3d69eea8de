import { SpiffeError, X509Svid } from '@fastify-spiffe/spiffe'
import type { VerificationRefusal } from '@fastify-spiffe/spiffe'
import { judgeOwnSvid } from '@fastify-spiffe/spiffe/internal'
import type { OwnSvid } from '@fastify-spiffe/spiffe/internal'

import { WorkloadApiError, quote } from '../errors.ts'
import type { RawX509Svid } from './decode.ts'
import { checkHint } from './hints.ts'

/** Whether an own SVID is valid at one time. */
export type SvidJudgement =
  | { readonly ok: true }
  | {
      readonly ok: false
      readonly error: WorkloadApiError
      /** When it is good, in ms since the epoch; `Infinity` when waiting does not help. */
      readonly validFrom: number
    }

/**
 * Reads an SVID: it must be well-formed, have its own key, and the name that the endpoint gives it.
 * Its times are not checked: {@link judge} does that, as often as needed.
 * @throws {@link WorkloadApiError} `invalid-svid`, `key-mismatch`
 */
export function readOwnSvid(raw: RawX509Svid): X509Svid {
  const svid = fromDer(raw)
  // Workload API §5.2.1: `spiffe_id` is the ID in the SVID.
  if (svid.spiffeId.toString() !== raw.spiffeId) {
    throw new WorkloadApiError(
      'invalid-svid',
      `an SVID for ${quote(raw.spiffeId)} names ${svid.spiffeId.toString()} in its certificate`,
    )
  }
  return svid
}

/**
 * Whether a peer that trusts the bundle would accept the SVID at `now`, and if not, from when on.
 * The certificate whose time has not come may be the leaf, an intermediate or the authority.
 */
export function judge(own: OwnSvid, now: number): SvidJudgement {
  const judgement = judgeOwnSvid(own, now)
  if (judgement.ok) return judgement
  const { refusal: found, validFrom } = judgement
  return { ok: false, error: refusal(own, found, validFrom), validFrom }
}

function refusal(
  { svid }: OwnSvid,
  found: VerificationRefusal,
  validFrom: number,
): WorkloadApiError {
  const id = svid.spiffeId.toString()
  const { code, message } = found
  if (validFrom < Infinity) {
    const since = new Date(validFrom).toISOString()
    return new WorkloadApiError(
      'not-yet-valid',
      `the SVID ${id} is good from ${since} on, and is used then: ${message}`,
    )
  }
  return new WorkloadApiError(
    code === 'expired' ? 'invalid-svid' : 'untrusted-svid',
    `the SVID ${id} does not verify against its own bundle (${code}): ${message}`,
  )
}

/** Whether an SVID has expired is judged with the rest of its times. */
function beforeAllTimes(): number {
  return -Infinity
}

function fromDer({ spiffeId, x509Svid, x509SvidKey, hint }: RawX509Svid): X509Svid {
  checkHint(hint)
  try {
    return X509Svid.fromDer({
      certificates: x509Svid,
      privateKey: x509SvidKey,
      hint,
      clock: beforeAllTimes,
    })
  } catch (cause) {
    if (!(cause instanceof SpiffeError)) throw cause
    throw new WorkloadApiError(
      cause.code === 'key-mismatch' ? 'key-mismatch' : 'invalid-svid',
      `the SVID for ${quote(spiffeId)} is refused (${cause.code}): ${cause.message}`,
      { cause },
    )
  }
}
