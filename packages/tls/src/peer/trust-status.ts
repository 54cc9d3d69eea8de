/**
 * Why the proof of a peer is no longer valid.
 *
 * - `expired`: its SVID has expired.
 * - `untrusted`: no path leads from its SVID to an authority in the bundle of its trust domain.
 * - `revoked`: a certificate on its path was revoked.
 * - `revocation-unknown`: revocation is `strict`, and no current list covers a certificate on its path.
 * - `refused`: the application has called `disconnectPeers`.
 */
export type LapseReason = 'expired' | 'untrusted' | 'revoked' | 'revocation-unknown' | 'refused'

/** Whether the proof of a peer is still trusted. */
export interface TrustStatus {
  isTrusted(now: number): boolean
  /** When the trust ends if the bundles stay as they are, in ms since the epoch. */
  readonly trustedUntil: number
  /** Why the trust was lost, once it was. */
  readonly lapseReason: LapseReason
  /** Ends the trust for good. */
  end(reason: LapseReason): void
}
