import type { SetTimer } from '@fastify-spiffe/spiffe'
import { describeCause, TaskQueue } from '@fastify-spiffe/spiffe/internal'
import type { Fetched, Validator } from '../endpoint/fetch-bundle.ts'
import type { Relationship } from '../endpoint/options.ts'
import { FederationError, FetchFailure } from '../errors.ts'
import { publishFailure, publishRecovery, publishUpdate } from '../events.ts'
import type { BundleStore } from '../store/bundle-store.ts'
import type { BundleBudget } from './bundle-budget.ts'
import type { FetchSlots } from './fetch-slots.ts'
import { HeldBundle } from './held-bundle.ts'
import { nextDelay } from './schedule.ts'
import type { FederationFailure, FollowedTrustDomain } from '../status.ts'
import type { Turns } from './turns.ts'

/** What all followers share. */
export interface FollowerParts {
  readonly fetch: (
    relationship: Relationship,
    validator: Validator | undefined,
    signal: AbortSignal,
  ) => Promise<Fetched>
  readonly store: BundleStore | null
  readonly slots: FetchSlots
  readonly turns: Turns
  readonly budget: BundleBudget
  readonly timeoutMs: number
  readonly clock: () => number
  readonly random: () => number
  readonly setTimer: SetTimer
  /** Called after each change of what is held, and of whether the last fetch failed. */
  readonly onChange: (follower: Follower) => void
}

/** Follows the bundle of one trust domain. */
export class Follower {
  readonly relationship: Relationship
  readonly #parts: FollowerParts
  readonly #held: HeldBundle
  readonly #fetches = new TaskQueue()
  #queued: Promise<FollowedTrustDomain> | undefined
  readonly #stopped = new AbortController()
  #abort: AbortController | undefined
  #cancelTimer = (): void => {}
  #isStored = false
  #failures = 0
  #lastSuccessAt: number | null = null
  #lastFailure: FederationFailure | null = null
  #storeFailure: FederationFailure | null = null
  #nextRefreshAt: number | null = null

  constructor(relationship: Relationship, parts: FollowerParts) {
    this.relationship = relationship
    this.#parts = parts
    this.#held = new HeldBundle(relationship.trustDomain, parts.turns, parts.budget)
  }

  get status(): FollowedTrustDomain {
    const { trustDomain, url, proof } = this.relationship
    const { bundle, origin } = this.#held
    return Object.freeze<FollowedTrustDomain>({
      trustDomain,
      url: url.href,
      profile: proof.profile,
      state: this.#state,
      bundle,
      origin,
      sequence: bundle?.sequence ?? null,
      x509Authorities: bundle?.x509.authorities.length ?? 0,
      jwtAuthorities: bundle?.jwt.authorities.length ?? 0,
      lastSuccessAt: this.#lastSuccessAt,
      lastFailure: this.#lastFailure,
      failures: this.#failures,
      storeFailure: this.#storeFailure,
      nextRefreshAt: this.#nextRefreshAt,
    })
  }

  get isFailing(): boolean {
    return this.#failures > 0
  }

  /**
   * Takes what is stored, or what was configured. Call it once, before the rest.
   * @throws {@link FederationError} `no-initial-bundle`
   */
  async load(): Promise<void> {
    const { trustDomain, proof, bundle } = this.relationship
    const stored = await this.#readStored()
    this.#held.begin(bundle, stored)
    this.#isStored = this.#held.origin === 'stored'
    const isOwnEndpoint =
      proof.profile === 'https_spiffe' && proof.endpointSpiffeId.trustDomain.equals(trustDomain)
    if (!isOwnEndpoint || this.#held.bundle !== null) return
    // SPIFFE Federation §5.2.2.2: nothing else could verify the endpoint.
    const message = `the endpoint of ${trustDomain.name} is of that trust domain: give its bundle`
    throw new FederationError('no-initial-bundle', message)
  }

  /**
   * Fetches once. A fetch that runs already has begun before the call, so that another one follows it; whoever calls
   * meanwhile waits for the same one. It resolves whether the fetch succeeds or fails.
   */
  refresh(): Promise<FollowedTrustDomain> {
    this.#queued ??= this.#fetches.run(() =>
      this.#parts.slots.run(() => {
        this.#queued = undefined
        return this.#refresh()
      }, this.#stopped.signal),
    )
    return this.#queued
  }

  /** Fetches no more. What runs is ended, and counts for nothing. */
  async stop(): Promise<void> {
    this.#stopped.abort()
    this.#cancelTimer()
    this.#nextRefreshAt = null
    this.#abort?.abort(new FederationError('not-followed', 'the trust domain is followed no more'))
    await this.#fetches.run(async () => {})
  }

  get #isStopped(): boolean {
    return this.#stopped.signal.aborted
  }

  get #state(): FollowedTrustDomain['state'] {
    if (this.#failures > 0) return 'stale'
    return this.#lastSuccessAt === null ? 'starting' : 'ready'
  }

  async #refresh(): Promise<FollowedTrustDomain> {
    if (this.#isStopped) return this.status
    this.#cancelTimer()
    this.#nextRefreshAt = null
    let apply: (() => boolean) | FetchFailure
    try {
      apply = await this.#held.read(await this.#fetch())
    } catch (cause) {
      apply = asFailure(cause)
    }
    if (!this.#isStopped) {
      if (apply instanceof FetchFailure) this.#fail(apply)
      else this.#succeed(apply)
      await this.#store()
      this.#schedule()
    }
    return this.status
  }

  async #fetch(): Promise<Fetched> {
    const { fetch, setTimer, timeoutMs } = this.#parts
    const abort = new AbortController()
    this.#abort = abort
    const cancel = setTimer(() => {
      abort.abort(new FetchFailure('timeout', `no bundle within ${timeoutMs} ms`))
    }, timeoutMs)
    try {
      return await fetch(this.relationship, this.#held.validator, abort.signal)
    } finally {
      cancel()
      this.#abort = undefined
    }
  }

  #succeed(apply: () => boolean): void {
    const failures = this.#failures
    this.#failures = 0
    this.#lastSuccessAt = this.#parts.clock()
    const isChanged = apply()
    if (isChanged) {
      this.#isStored = false
      publishUpdate(this.status)
    }
    if (failures > 0) publishRecovery({ trustDomain: this.name, failures })
    if (isChanged || failures > 0) this.#parts.onChange(this)
  }

  #fail(failure: FetchFailure): void {
    this.#failures++
    this.#lastFailure = this.#failure(failure)
    this.#publishFailure(failure)
    if (this.#failures === 1) this.#parts.onChange(this)
  }

  async #store(): Promise<void> {
    const { store, turns } = this.#parts
    const { bundle } = this.#held
    if (store === null || bundle === null || this.#isStored) return
    try {
      await turns.run(() => store.write(bundle))
      this.#isStored = true
      this.#storeFailure = null
    } catch (cause) {
      this.#storeFailure = this.#publishFailure(asError(cause))
    }
  }

  async #readStored(): ReturnType<BundleStore['read']> {
    const { store, turns } = this.#parts
    if (store === null) return null
    try {
      return await turns.run(() => store.read(this.relationship.trustDomain))
    } catch (cause) {
      this.#publishFailure(asError(cause))
      return null
    }
  }

  #schedule(): void {
    if (this.#isStopped) return
    const { clock, random, setTimer } = this.#parts
    const delay = nextDelay({
      refreshHintMs: this.#held.bundle?.refreshHintMs ?? null,
      failures: this.#failures,
      isHeld: this.#held.bundle !== null,
      random: random(),
    })
    this.#nextRefreshAt = clock() + delay
    this.#cancelTimer = setTimer(() => void this.refresh(), delay)
  }

  #publishFailure(error: FederationError): FederationFailure {
    const failure = this.#failure(error)
    const { code, message } = failure
    publishFailure({ trustDomain: this.name, code, message, failures: this.#failures })
    return failure
  }

  #failure({ code, message }: FederationError): FederationFailure {
    return Object.freeze({ code, message, at: this.#parts.clock() })
  }

  /** Of the trust domain. */
  get name(): string {
    return this.relationship.trustDomain.name
  }
}

function asFailure(cause: unknown): FetchFailure {
  return cause instanceof FetchFailure
    ? cause
    : new FetchFailure('internal', `an unexpected error (${describeCause(cause)})`, { cause })
}

function asError(cause: unknown): FederationError {
  return cause instanceof FederationError ? cause : asFailure(cause)
}
