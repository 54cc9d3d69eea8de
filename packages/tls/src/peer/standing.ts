/**
 * Why a peer's proof holds no more.
 *
 * - `expired`: its SVID has expired.
 * - `untrusted`: no authority in the bundle of its trust domain vouches for it.
 * - `revoked`: the issuer of a certificate on its path has revoked that.
 * - `revocation-unknown`: revocation is `strict`, and no current list stands for a certificate.
 * - `refused`: the application has disconnected it.
 */
export type LapseReason = 'expired' | 'untrusted' | 'revoked' | 'revocation-unknown' | 'refused'

/** What a peer's proof rests on, and whether that still stands. */
export interface Standing {
  holds(now: number): boolean
  /** When it ends if the bundles stay as they are, in ms since the epoch. */
  readonly until: number
  /** Why it was lost, once it was. */
  readonly lapse: LapseReason
  /** Ends it for good. */
  end(reason: LapseReason): void
}
