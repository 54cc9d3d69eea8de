import type { SpiffeId } from '../id/spiffe-id.ts'
import type { Certificate } from '../x509/certificate.ts'
import type { Refusal } from './refusal.ts'

/** A verified X.509-SVID of a peer. Frozen. */
export interface VerifiedX509Svid {
  readonly spiffeId: SpiffeId
  readonly leaf: Certificate
  /** Leaf first, each signed by the next, the anchor last. */
  readonly path: readonly Certificate[]
  /** The authority of the bundle that the path ends in. */
  readonly anchor: Certificate
  /** When the first certificate on the path expires: milliseconds since the epoch, inclusive. */
  readonly notAfter: number
  /**
   * When the verification ends to hold: `notAfter` plus `clockSkewMs`, or if revocation is `strict` and it is earlier,
   * the next update of the first revocation list that the path needs. Milliseconds since the epoch, inclusive.
   */
  readonly validUntil: number
}

/** A refusal, with the SPIFFE ID that the leaf claims. It is not proven, and for logs only. */
export interface VerificationRefusal extends Refusal {
  readonly ok: false
  /** Absent when the leaf does not name one. */
  readonly claimedId?: SpiffeId
}

/** What the verifier found: a verified SVID, or a code and a reason. */
export type Verification =
  | { readonly ok: true; readonly svid: VerifiedX509Svid }
  | VerificationRefusal
