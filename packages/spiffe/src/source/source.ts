import type { SpiffeId } from '../id/spiffe-id.ts'
import type { JwtSvid } from '../svid/jwt-svid.ts'
import type { X509Svid } from '../svid/x509-svid.ts'
import type { BundleSet } from '../bundle/bundle-set.ts'
import type { JwtBundle } from '../bundle/jwt-bundle.ts'

/**
 * The state of a source.
 *
 * - `starting`: there has been no SVID to present yet; one that is not valid yet may have come.
 * - `ready`: the SVID and the bundles are current, and the supply works.
 * - `stale`: the supply is interrupted, or its last SVID is not valid yet. The last good state stays in
 *   use.
 * - `denied`: the authority has no identity for this workload. There is no SVID to present.
 * - `expired`: the supply is interrupted, and the last SVID has expired. There is no SVID to present.
 * - `failed`: the supply has ended for good: the authority calls the request itself invalid.
 * - `closed`: `close()` was called.
 */
export type SourceState =
  | 'starting'
  | 'ready'
  | 'stale'
  | 'denied'
  | 'expired'
  | 'failed'
  | 'closed'

/** Ends a wait early. */
export interface WaitOptions {
  /** Ends the wait; the promise rejects with the reason of the signal. Default: none. */
  readonly signal?: AbortSignal
}

/** What keeps a source from being ready. An error with a `code` is one. */
export interface SourceProblem {
  readonly code: string
  /** What happened, and the cure. Without secrets. */
  readonly message: string
}

/** What all sources have in common. It is small on purpose, so that files or a test can be a source. */
export interface Source extends AsyncDisposable {
  readonly state: SourceState

  /** How many subscriptions and waits there are, if the source counts them: each is a user of the source. */
  readonly subscriptions?: number

  /** Why the state is not `ready`, if the source knows it. */
  readonly error?: SourceProblem | null | undefined

  /** The address of its supply, if it has one. Events on `node:diagnostics_channel` have it too. */
  readonly endpoint?: string | undefined

  /**
   * Calls `listener` synchronously after each change of the material or of `state`. Returns the function
   * that ends the subscription. What a listener throws is an uncaught exception; the other listeners
   * are called anyway.
   */
  onUpdate(listener: () => void): () => void

  /** Resolves after the next change; rejects with the signal's reason, or once the source is closed. */
  nextUpdate(options?: WaitOptions): Promise<void>

  /** Ends the supply and every wait. SVID and bundles stay readable. Safe to call twice. */
  close(): Promise<void>
}

/** A supply of the workload's own X.509-SVID. */
export interface X509SvidSource extends Source {
  /** The SVID to present now, or `null` when none may be presented. Never one that has expired. */
  readonly svid: X509Svid | null
}

/** A supply of the X.509 bundles to verify peers against, one for each trust domain. */
export interface X509BundleSource extends Source {
  readonly bundles: BundleSet
}

/** A supply of the JWT bundles to verify JWT-SVIDs against, one for each trust domain. */
export interface JwtBundleSource extends Source {
  readonly jwtBundles: BundleSet<JwtBundle>
}

/** Which JWT-SVID is asked for. */
export interface JwtSvidRequest extends WaitOptions {
  /** Who is to accept the token: one name, or a list of at most 64. Give each service a token of its own. */
  readonly audience: string | readonly string[]
  /** Which identity of this workload to ask for. Default: the first that the supply gives. */
  readonly spiffeId?: SpiffeId | string
  /** Which identity to take, by the operator's word for it (Workload API §6.2.1). Default: the first. */
  readonly hint?: string
  /** The longest wait, in milliseconds; default 30,000. */
  readonly timeoutMs?: number
}

/** A supply of the workload's own JWT-SVIDs, for those who are called. */
export interface JwtSvidSource extends Source {
  /** Resolves with a token that is valid now. Rejects with an error that has a `code` when there is none. */
  fetchJwtSvid(request: JwtSvidRequest): Promise<JwtSvid>
}

/** A supply of both: the own tokens, and what the tokens of others are verified with. */
export interface JwtMaterialSource extends JwtSvidSource, JwtBundleSource {}

/** A supply of both, which a TLS endpoint needs. */
export interface X509MaterialSource extends X509SvidSource, X509BundleSource {}
