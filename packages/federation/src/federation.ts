import {
  TrustDomain,
  type BundleSet,
  type JwtBundle,
  type JwtBundleSource,
  type SourceProblem,
  type SourceState,
  type WaitOptions,
  type X509Bundle,
  type X509BundleSource,
} from '@fastify-spiffe/spiffe'
import { inSlices, Updates } from '@fastify-spiffe/spiffe/internal'
import { endpointAgent } from './endpoint/endpoint-agent.ts'
import { fetchBundle, type Fetched, type Validator } from './endpoint/fetch-bundle.ts'
import { readRelationship, type FollowOptions, type Relationship } from './endpoint/options.ts'
import { FederationError } from './errors.ts'
import { publishEnd, publishUpdate } from './events.ts'
import { FederatedBundles } from './federated-bundles.ts'
import { BundleBudget } from './follow/bundle-budget.ts'
import { fetchAll } from './follow/fetch-all.ts'
import { FetchSlots } from './follow/fetch-slots.ts'
import { Follower, type FollowerParts } from './follow/follower.ts'
import type { FollowedTrustDomain } from './status.ts'
import { settledWithin } from './follow/settled-within.ts'
import { Turns } from './follow/turns.ts'
import {
  MAX_TRUST_DOMAINS,
  readOptions,
  readRelationships,
  type FederationOptions,
  type Settings,
} from './options.ts'
import { BundleStore } from './store/bundle-store.ts'

/**
 * The bundles of other trust domains, from their bundle endpoints (SPIFFE Federation §5). Each is fetched again as often as
 * it asks for: after a minute at the soonest, and after a day at the latest.
 *
 * A fetch that fails changes nothing; a bundle without keys ends the trust in its trust domain. What is held is also in the
 * directory, if there is one. Events are on `spiffe:federation:updated`, `spiffe:federation:failed` and
 * `spiffe:federation:recovered`.
 */
export class Federation implements X509BundleSource, JwtBundleSource {
  readonly #settings: Settings
  readonly #store: BundleStore | null
  readonly #budget: BundleBudget
  readonly #parts: FollowerParts
  readonly #followers = new Map<string, Follower>()
  /** Those that were followed, until nothing of them is left. */
  readonly #ending = new Map<string, Promise<void>>()
  readonly #failing = new Set<Follower>()
  readonly #updates = new Updates()
  #bundles = new FederatedBundles([])
  #isClosed = false

  private constructor(settings: Settings, store: BundleStore | null) {
    this.#settings = settings
    this.#store = store
    const { timeoutMs, clock, random, setTimer, maxConcurrentFetches, maxTotalBytes } = settings
    this.#budget = new BundleBudget(maxTotalBytes)
    this.#parts = {
      fetch: (relationship, validator, signal) => this.#fetch(relationship, validator, signal),
      store,
      slots: new FetchSlots(maxConcurrentFetches),
      turns: new Turns(),
      budget: this.#budget,
      timeoutMs,
      clock,
      random,
      setTimer,
      onChange: (follower) => this.#onChange(follower),
    }
  }

  /**
   * Reads what is stored, and begins to follow. It does not wait for endpoints of which there is a bundle, and does not fail
   * because of one that cannot be reached.
   *
   * @throws {@link FederationError} `unknown-option`, `invalid-option`, `unsafe-directory`, `no-initial-bundle`
   */
  static async open(options: FederationOptions): Promise<Federation> {
    const settings = readOptions(options)
    const relationships = await inSlices(readRelationships(options.trustDomains))
    const { directory } = settings
    const store = directory === undefined ? null : await BundleStore.open(directory)
    const federation = new Federation(settings, store)
    try {
      await federation.#begin(relationships)
      return federation
    } catch (error) {
      await federation.close()
      throw error
    }
  }

  /** The X.509 bundles that are held. One that was cleared is empty; one that was never fetched is absent. */
  get bundles(): BundleSet {
    return this.#bundles.x509
  }

  /** The JWT bundles that are held, of the same trust domains. */
  get jwtBundles(): BundleSet<JwtBundle> {
    return this.#bundles.jwt
  }

  /** `stale` when the last fetch of any trust domain failed; otherwise `ready`, or `closed`. */
  get state(): SourceState {
    if (this.#isClosed) return 'closed'
    return this.#failing.size > 0 ? 'stale' : 'ready'
  }

  /** The failure of one of the trust domains whose last fetch failed. */
  get error(): SourceProblem | null {
    const [first] = this.#failing
    return first?.status.lastFailure ?? null
  }

  /** About what the bundles that are held take together, in bytes of the SPIFFE bundle format: what `maxTotalBytes` bounds. */
  get totalBytes(): number {
    return this.#budget.totalBytes
  }

  get subscriptions(): number {
    return this.#updates.size
  }

  /** The trust domains that are followed. */
  get trustDomains(): readonly FollowedTrustDomain[] {
    return Array.from(this.#followers.values(), ({ status }) => status)
  }

  /**
   * The state of one trust domain; `null` when it is not followed.
   * @throws {@link SpiffeError} `invalid-trust-domain`
   */
  status(trustDomain: TrustDomain | string): FollowedTrustDomain | null {
    return this.#followers.get(nameOf(trustDomain))?.status ?? null
  }

  /**
   * Follows another trust domain, and resolves after its first fetch, whether that succeeded or not.
   * @throws {@link FederationError} `unknown-option`, `invalid-option`, `already-followed`, `no-initial-bundle`, `closed`
   */
  async follow(options: FollowOptions): Promise<FollowedTrustDomain> {
    const relationship = readRelationship(options)
    const { name } = relationship.trustDomain
    this.#assertCanFollow(name)
    const follower = new Follower(relationship, this.#parts)
    // Before it waits: of two calls, the second one has to see the first.
    this.#followers.set(name, follower)
    try {
      await this.#ending.get(name)
      await follower.load()
    } catch (error) {
      if (this.#followers.get(name) === follower) {
        this.#followers.delete(name)
        this.#budget.release(name)
      }
      throw error
    }
    if (this.#followers.get(name) !== follower) return follower.status
    if (follower.status.bundle !== null) {
      publishUpdate(follower.status)
      this.#onChange(follower)
    }
    return follower.refresh()
  }

  /**
   * Fetches the bundle of a trust domain now. Resolves after one fetch that began after the call, whether it succeeded or not.
   * @throws {@link FederationError} `not-followed`, `closed`
   * @throws {@link SpiffeError} `invalid-trust-domain`
   */
  async refresh(trustDomain: TrustDomain | string): Promise<FollowedTrustDomain> {
    this.#assertOpen()
    const name = nameOf(trustDomain)
    const follower = this.#followers.get(name)
    if (follower !== undefined) return follower.refresh()
    throw new FederationError('not-followed', `the trust domain ${name} is not followed`)
  }

  /**
   * Ends the trust in a trust domain that is followed: its bundles are gone when the call returns, and what is stored of it
   * is when the promise resolves. Does nothing when it is not followed.
   *
   * @throws {@link FederationError} `store-failed`, `closed`
   * @throws {@link SpiffeError} `invalid-trust-domain`
   */
  async unfollow(trustDomain: TrustDomain | string): Promise<void> {
    this.#assertOpen()
    const name = nameOf(trustDomain)
    const follower = this.#followers.get(name)
    if (follower === undefined) return this.#ending.get(name)
    this.#followers.delete(name)
    const ending = this.#end(follower)
    this.#ending.set(name, ending)
    try {
      await ending
    } finally {
      if (this.#ending.get(name) === ending) this.#ending.delete(name)
    }
  }

  onUpdate(listener: () => void): () => void {
    return this.#updates.onUpdate(listener)
  }

  nextUpdate(options?: WaitOptions): Promise<void> {
    return this.#updates.nextUpdate(options)
  }

  /** Follows nothing any more. The bundles stay readable, and stored. Safe to call twice. */
  async close(): Promise<void> {
    if (!this.#isClosed) {
      this.#isClosed = true
      this.#updates.notify()
      this.#updates.close()
    }
    await Promise.all(Array.from(this.#followers.values(), (follower) => follower.stop()))
    await Promise.allSettled(this.#ending.values())
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  async #begin(relationships: readonly Relationship[]): Promise<void> {
    const { openTimeoutMs, setTimer } = this.#settings
    const followers = relationships.map((each) => new Follower(each, this.#parts))
    for (const follower of followers) this.#followers.set(follower.name, follower)
    await Promise.all(followers.map((follower) => follower.load()))
    const held = followers.flatMap(({ status: { bundle } }) => bundle ?? [])
    this.#bundles = new FederatedBundles(held)
    await settledWithin(await fetchAll(followers), openTimeoutMs, setTimer)
  }

  async #fetch(
    { url, proof }: Relationship,
    validator: Validator | undefined,
    signal: AbortSignal,
  ): Promise<Fetched> {
    const { timeoutMs, clock, lookup, maxBundleBytes: maxBytes } = this.#settings
    const bundleOf = this.#bundleOf.bind(this)
    const agent = endpointAgent(proof, { bundleOf, timeoutMs, clock })
    try {
      return await fetchBundle(url, { agent, signal, maxBytes, validator, lookup })
    } finally {
      agent.destroy()
    }
  }

  /** SPIFFE Federation §5.2.2.4: the bundle that is held; that of the source only where none is followed. */
  #bundleOf(trustDomain: TrustDomain): X509Bundle | undefined {
    const follower = this.#followers.get(trustDomain.name)
    if (follower !== undefined) return follower.status.bundle?.x509
    return this.#settings.source?.bundles.get(trustDomain)
  }

  #onChange(follower: Follower): void {
    if (this.#isClosed || this.#followers.get(follower.name) !== follower) return
    const before = this.state
    if (follower.isFailing) this.#failing.add(follower)
    else this.#failing.delete(follower)
    const { bundle } = follower.status
    const isChanged = bundle !== null && this.#bundles.hold(bundle)
    if (isChanged || this.state !== before) this.#updates.notify()
  }

  async #end(follower: Follower): Promise<void> {
    const { trustDomain } = follower.relationship
    this.#bundles.drop(trustDomain)
    this.#failing.delete(follower)
    const stopped = follower.stop()
    publishEnd(trustDomain.name)
    this.#updates.notify()
    await stopped
    this.#budget.release(trustDomain.name)
    await this.#store?.remove(trustDomain)
  }

  #assertOpen(): void {
    if (this.#isClosed) throw new FederationError('closed', 'the federation is closed')
  }

  #assertCanFollow(name: string): void {
    this.#assertOpen()
    if (this.#followers.has(name)) {
      throw new FederationError('already-followed', `the trust domain ${name} is followed already`)
    }
    if (this.#followers.size >= MAX_TRUST_DOMAINS) {
      const message = `at most ${MAX_TRUST_DOMAINS} trust domains can be followed`
      throw new FederationError('invalid-option', message)
    }
  }
}

function nameOf(trustDomain: TrustDomain | string): string {
  return trustDomain instanceof TrustDomain ? trustDomain.name : TrustDomain.parse(trustDomain).name
}
