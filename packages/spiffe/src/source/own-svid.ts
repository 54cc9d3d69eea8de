import { BundleSet } from '../bundle/bundle-set.ts'
import type { X509Svid } from '../svid/x509-svid.ts'
import type { Verification, VerificationRefusal } from '../verify/verification.ts'
import { verifyX509Svid } from '../verify/verify-x509-svid.ts'
import type { X509Bundle } from '../x509/bundle.ts'

/** An SVID of the workload with the bundle of its trust domain. */
export interface OwnSvid {
  readonly svid: X509Svid
  readonly bundle: X509Bundle
}

/** Whether an own SVID is good at one time. */
export type OwnSvidJudgement =
  | { readonly ok: true }
  | {
      readonly ok: false
      readonly refusal: VerificationRefusal
      /** When it is good, in ms since the epoch; `Infinity` when waiting does not help. */
      readonly validFrom: number
    }

/** Times of one SVID that are tried: each costs a verification. Chains have 16 certificates at most. */
const MAX_TIMES = 32

/**
 * Whether a peer that trusts the bundle would accept the SVID at `now`, and if not, from when on.
 * The certificate whose time has not come may be the leaf, an intermediate or the authority.
 */
export function judgeOwnSvid(own: OwnSvid, now: number): OwnSvidJudgement {
  const verification = verifyAt(own, now)
  if (verification.ok) return { ok: true }
  const validFrom = futureTimes(own, now).find((time) => verifyAt(own, time).ok) ?? Infinity
  return { ok: false, refusal: verification, validFrom }
}

function verifyAt({ svid, bundle }: OwnSvid, time: number): Verification {
  // Without tolerance: clockSkewMs is for peers, which may not have one.
  return verifyX509Svid(svid.certificates, BundleSet.of(bundle), { clock: () => time })
}

/** When something that the SVID may depend on becomes valid, the next one first. */
function futureTimes({ svid, bundle }: OwnSvid, now: number): readonly number[] {
  const times = [...svid.certificates, ...bundle.authorities]
    .map(({ notBefore }) => notBefore)
    .filter((time) => time > now && time <= svid.notAfter)
  return [...new Set(times)].toSorted((one, other) => one - other).slice(0, MAX_TIMES)
}
