import type { X509Svid } from '../svid/x509-svid.ts'
import type { BundleSet } from '../x509/bundle-set.ts'

/**
 * Where a source stands.
 *
 * - `starting`: nothing has been received yet that may be presented; an SVID may wait for its time.
 * - `ready`: what the source holds is current and its supply is alive.
 * - `stale`: the supply is interrupted, or what it brought cannot be used yet; the last good state
 *   keeps serving.
 * - `denied`: the authority says that this workload has no identity; there is no SVID to present.
 * - `expired`: the supply is interrupted and the last SVID has run out; there is no SVID to present.
 * - `failed`: the supply ended for good (the authority calls the request itself invalid).
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

/** A way to end a wait early: every promise of a source takes one. */
export interface WaitOptions {
  readonly signal?: AbortSignal
}

/** What stands in the way of a source. An error with a code is one. */
export interface SourceProblem {
  readonly code: string
  /** What happened, and the cure. Without secrets. */
  readonly message: string
}

/** What all sources have in common. They are narrow on purpose, so that files or a test can stand in. */
export interface Source extends AsyncDisposable {
  readonly state: SourceState

  /** How many subscriptions and waits there are, where the source counts them: each is somebody who needs it. */
  readonly subscriptions?: number

  /** Why the state is not `ready`, where the source says it. */
  readonly error?: SourceProblem | null | undefined

  /** The address of its supply, where it has one: events on `node:diagnostics_channel` name it. */
  readonly endpoint?: string | undefined

  /**
   * Calls `listener` synchronously after each change of the held material or of `state`.
   * Returns the function that ends the subscription. What a listener throws is an uncaught exception;
   * the other listeners hear of the change all the same.
   */
  onUpdate(listener: () => void): () => void

  /** Resolves after the next change; rejects with the signal's reason, or once the source is closed. */
  nextUpdate(options?: WaitOptions): Promise<void>

  /** Ends the supply and every wait. What was held stays readable. Safe to call twice. */
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

/** Both at once, which is what a TLS endpoint needs. */
export interface X509MaterialSource extends X509SvidSource, X509BundleSource {}
