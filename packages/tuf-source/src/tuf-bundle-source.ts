import type {
  BundleSet,
  JwtBundle,
  JwtBundleSource,
  SourceProblem,
  SourceState,
  WaitOptions,
  X509BundleSource,
} from '@fastify-spiffe/spiffe'
import { MAX_TIMER_MS, TaskQueue, Updates } from '@fastify-spiffe/spiffe/internal'
import { settledWithin, type FederatedBundles } from '@fastify-spiffe/federation/internal'
import { asTufError, type UpdateOutcome, type VerifiedTarget } from './client/update.ts'
import { isNetworkFault, TufError } from './errors.ts'
import { publishExpiry, publishFailure, publishRecovery, publishUpdate } from './events.ts'
import { readOptions, type Settings, type TufBundleSourceOptions } from './options.ts'
import { readPinnedRoot } from './pinned-root.ts'
import { nextDelay } from './schedule.ts'
import { Known } from './known.ts'
import { updateOnce } from './update-once.ts'
import type { SignedFile, TargetOrigin, TufFailure, TufStatus } from './status.ts'

interface Fault {
  readonly error: TufError
  /** The target that it is about; `null` when it is about all. */
  readonly target: string | null
}

/**
 * The bundles of trust domains, and policy files, from a signed repository (The Update Framework 1.0). It is asked again
 * every 5 to 15 minutes.
 *
 * What fails changes nothing: what was verified last stays in use, until no refresh could verify it for `maxStalenessMs`.
 * Events are on `spiffe:tuf:updated`, `spiffe:tuf:failed`, `spiffe:tuf:recovered` and `spiffe:tuf:expired`.
 */
export class TufBundleSource implements X509BundleSource, JwtBundleSource {
  readonly #settings: Settings
  readonly #known: Known
  readonly #updates = new Updates()
  readonly #refreshes = new TaskQueue()
  readonly #closing = new AbortController()
  #queued: Promise<TufStatus> | undefined
  #cancelRefresh = (): void => {}
  #cancelExpiry = (): void => {}
  #wasExpired = false
  #isClosed = false
  #nextRefreshAt: number | null = null
  #lastState: SourceState = 'starting'

  private constructor(settings: Settings, known: Known) {
    this.#settings = settings
    this.#known = known
    this.#watchExpiry()
    this.#lastState = this.state
  }

  /**
   * Reads the root and what is stored, and begins to follow the repository. It waits for the first refresh only if a target
   * is not stored, and does not fail because the repository cannot be reached.
   *
   * @throws {@link TufError} `unknown-option`, `invalid-option`, `root-unreadable`, `root-mismatch`, `invalid-root`,
   *   `unsafe-directory`, `directory-in-use`
   */
  static async open(options: TufBundleSourceOptions): Promise<TufBundleSource> {
    const settings = readOptions(options)
    const root = await readPinnedRoot(settings.root, settings.clock())
    const known = await Known.open(settings, root)
    const source = new TufBundleSource(settings, known)
    for (const failure of known.beginningFailures) source.#publishFailure(failure)
    for (const path of known.held.paths) source.#publishUpdate(path, 'stored')
    const first = source.refresh()
    if (!known.held.isComplete) {
      await settledWithin([first], settings.openTimeoutMs, settings.setTimer)
    }
    return source
  }

  /** The X.509 bundles. None of a target that no refresh could verify for `maxStalenessMs`. */
  get bundles(): BundleSet {
    return this.#bundles.x509
  }

  /** The JWT bundles, of the same trust domains. */
  get jwtBundles(): BundleSet<JwtBundle> {
    return this.#bundles.jwt
  }

  /**
   * - `starting`: no refresh has ended yet.
   * - `ready`: the last refresh succeeded, or only the network failed for a short time.
   * - `stale`: the repository has not answered three times, or for half of the life of its timestamp; what it sent was
   *   refused; the clock was set back; what was stored was damaged. What is held stays in use.
   * - `expired`: no refresh could verify any bundle for `maxStalenessMs`. There are no bundles.
   */
  get state(): SourceState {
    const { failures, held, record, timestampExpiresAt, isClockSetBack } = this.#known
    const now = this.#known.now()
    return failures.stateOf({
      isClosed: this.#isClosed,
      isExpired: held.isExpiredAt(now),
      verifiedAt: record.verifiedAt,
      now,
      timestampSince: record.timestampSince,
      timestampExpiresAt,
      isTargetFailing: held.isFailing,
      isClockSetBack,
    })
  }

  /** What failed last, while the state is `stale` or `expired`. */
  get error(): SourceProblem | null {
    return ['stale', 'expired'].includes(this.state) ? this.#known.failures.last : null
  }

  get endpoint(): string {
    return this.#settings.metadataUrl.href
  }

  get subscriptions(): number {
    return this.#updates.size
  }

  /** What is known of the repository and of each target. */
  get status(): TufStatus {
    const { failures, held, record } = this.#known
    return Object.freeze<TufStatus>({
      rootVersion: this.#known.rootVersion,
      timestampVersion: this.#known.timestampVersion,
      timestampExpiresAt: this.#known.timestampExpiresAt,
      verifiedAt: record.verifiedAt,
      expiresAt: held.nextExpiryAfter(this.#known.now()),
      failures: failures.count,
      lastFailure: failures.last,
      storeFailure: this.#known.storeFailure,
      nextRefreshAt: this.#nextRefreshAt,
      targets: held.statuses,
    })
  }

  /** A file of the option `files`; `null` when it is not held, or not one of them. */
  file(path: string): SignedFile | null {
    return this.#known.file(path)
  }

  /**
   * Asks the repository now. Resolves after one refresh that began after the call, whether it succeeded or not.
   * @throws {@link TufError} `closed`
   */
  refresh(): Promise<TufStatus> {
    if (this.#isClosed) return Promise.reject(new TufError('closed', 'the source is closed'))
    this.#queued ??= this.#refreshes.run(() => {
      this.#queued = undefined
      return this.#refresh()
    })
    return this.#queued
  }

  onUpdate(listener: () => void): () => void {
    return this.#updates.onUpdate(listener)
  }

  nextUpdate(options?: WaitOptions): Promise<void> {
    return this.#updates.nextUpdate(options)
  }

  /** Asks no more, and frees the directory. What is held stays readable. Safe to call twice. */
  async close(): Promise<void> {
    if (!this.#isClosed) {
      this.#isClosed = true
      this.#cancelRefresh()
      this.#cancelExpiry()
      this.#nextRefreshAt = null
      this.#closing.abort(new TufError('closed', 'the source is closed'))
      this.#updates.notify()
      this.#updates.close()
    }
    await this.#refreshes.run(() => this.#known.close())
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  async #refresh(): Promise<TufStatus> {
    if (this.#isClosed) return this.status
    this.#cancelRefresh()
    this.#nextRefreshAt = null
    const setBack = this.#known.checkClock()
    if (setBack !== null) this.#publishFailure(setBack)
    const outcome = await updateOnce(this.#settings, this.#known, this.#closing.signal)
    if (this.#isClosed) return this.status
    const isChanged = this.#apply(outcome)
    const unstored = await this.#known.store()
    if (unstored !== null) this.#publishFailure(unstored)
    this.#watchExpiry()
    this.#schedule()
    this.#notify(isChanged)
    return this.status
  }

  /** Returns whether other bundles or files are held than before. */
  #apply({ metadata, set, failure, targets }: UpdateOutcome): boolean {
    this.#known.takeMetadata(metadata, set)
    const faults: Fault[] = failure === null ? [] : [{ error: failure, target: null }]
    const changed: string[] = []
    for (const [target, result] of targets) {
      const taken = this.#take(target, result)
      if (taken instanceof TufError) faults.push({ error: taken, target })
      else if (taken) changed.push(target)
    }
    for (const target of changed) this.#publishUpdate(target, 'fetched')
    if (faults.length === 0) this.#recover()
    else this.#fail(faults)
    return changed.length > 0
  }

  #take(path: string, result: VerifiedTarget | TufError): TufError | boolean {
    if (result instanceof TufError) return result
    try {
      const verifiedAt = this.#known.now()
      return this.#known.held.take(path, { ...result, verifiedAt }, 'fetched')
    } catch (cause) {
      return asTufError(cause)
    }
  }

  /** A refresh is one failure, whatever fails in it; one that is not about the network counts. */
  #fail(faults: readonly Fault[]): void {
    const { failures, held } = this.#known
    const worst = faults.find(({ error }) => !isNetworkFault(error)) ?? faults[0]
    if (worst !== undefined)
      failures.add(worst.error, this.#known.failure(worst.error, worst.target))
    for (const { error, target } of faults) {
      const failure = this.#known.failure(error, target)
      if (target !== null) held.fail(target, failure)
      this.#publishFailure(failure)
    }
  }

  #recover(): void {
    const failures = this.#known.failures.clear()
    if (failures > 0) publishRecovery({ failures })
  }

  #schedule(): void {
    const { minRefreshMs, maxRefreshMs, random, clock, setTimer } = this.#settings
    const { failures, held } = this.#known
    const delay = nextDelay({
      minRefreshMs,
      maxRefreshMs,
      refreshHintMs: held.refreshHintMs,
      networkFailures: failures.network,
      random: random(),
    })
    this.#nextRefreshAt = clock() + delay
    this.#cancelRefresh = setTimer(() => void this.refresh().catch(() => {}), delay)
  }

  get #bundles(): FederatedBundles {
    return this.#known.held.bundlesAt(this.#known.now())
  }

  /** Tells listeners when bundles stop to count. */
  #watchExpiry(): void {
    this.#cancelExpiry()
    const { held, record } = this.#known
    const now = this.#known.now()
    const isExpired = held.isExpiredAt(now)
    if (isExpired && !this.#wasExpired) publishExpiry({ verifiedAt: record.verifiedAt })
    this.#wasExpired = isExpired
    const next = held.nextExpiryAfter(now)
    if (next === null) return
    this.#cancelExpiry = this.#settings.setTimer(
      () => {
        const isDue = this.#known.now() >= next
        this.#watchExpiry()
        if (isDue) this.#updates.notify()
      },
      Math.min(next - now, MAX_TIMER_MS),
    )
  }

  #notify(isChanged: boolean): void {
    const { state } = this
    const isOther = state !== this.#lastState
    this.#lastState = state
    if (isChanged || isOther) this.#updates.notify()
  }

  #publishUpdate(target: string, origin: TargetOrigin): void {
    const content = this.#known.held.content(target)
    if (content === null) return
    const trustDomains = content.bundles.map(({ trustDomain }) => trustDomain.name)
    publishUpdate({ target, origin, version: content.version, trustDomains })
  }

  #publishFailure(failure: TufFailure): void {
    publishFailure({ ...failure, failures: this.#known.failures.count })
  }
}
