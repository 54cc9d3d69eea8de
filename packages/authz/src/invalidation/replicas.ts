import { LRUCache } from 'lru-cache'
import { replicasChannel, type ReplicasEvent } from '../events.ts'
import { Deadline } from '../step/deadline.ts'
import { MAX_AHEAD_MS } from './bus.ts'
import { openNotice, sealNotice } from './notice.ts'
import type { ReplicasSettings } from './options.ts'
import { EVERYBODY, MAX_SCOPES } from './scope.ts'

export interface ReplicasParts extends ReplicasSettings {
  /** Forgets what is remembered about a scope, `*` for all. */
  readonly invalidate: (scope: string) => void
  /** The policy document in force here. */
  readonly policyVersion: () => string
  /** Reads the policy document anew, since another replica has another one in force. Never rejects. */
  readonly adoptPolicy: () => Promise<void>
  /** Reads it anew in case another replica has another one in force. Never rejects. */
  readonly checkPolicy: () => Promise<void>
  /** Milliseconds since the epoch. */
  readonly clock: () => number
}

/** What a bus may take for one answer. */
const PATIENCE_MS = 2000

/**
 * Keeps the cache of this replica in step with those of the others. The bus makes the epochs, each greater than all before,
 * so that notices may come late, twice or out of order, and an old one that is sent again does nothing.
 */
export class Replicas {
  readonly #parts: ReplicasParts
  /**
   * The last epoch of each scope by notices alone, which are authenticated: what anybody may have stored hides none of
   * them. One about a scope that is not here any more is news.
   */
  readonly #heard = new LRUCache<string, number>({ max: MAX_SCOPES })
  /** What is stored has been read up to this epoch. */
  #readUpTo = 0
  /** The greatest epoch that was made, heard of or read. A bus that knows none as great has lost some. */
  #known = 0
  /** The scopes that could not be told yet, with the number of the last announcement. */
  readonly #untold = new Map<string, number>()
  #announcements = 0
  #isTelling = false
  #heartbeat: NodeJS.Timeout | undefined
  #isSubscribed = false
  /** The version that another replica has told of, until this one has a say of its own. */
  #versionOfOthers: string | null = null
  #isCurrent = false
  #lastContact = -Infinity

  constructor(parts: ReplicasParts) {
    this.#parts = parts
  }

  /** Whether what is remembered here can be used: the bus was in reach not long ago. */
  get isCurrent(): boolean {
    const staleMs = this.#parts.clock() - this.#lastContact
    // When the clock is set back, nobody knows for how long.
    const isCurrent = staleMs >= 0 && staleMs <= this.#parts.maxStaleMs
    if (isCurrent !== this.#isCurrent) this.#become(isCurrent)
    return isCurrent
  }

  /** Begins to listen. Where the bus is out of reach, nothing that is remembered is used until it is. */
  async start(): Promise<void> {
    this.#heartbeat = setInterval(() => void this.#beat(), this.#parts.heartbeatMs).unref()
    await this.#beat()
  }

  /** Tells the other replicas that everything remembered about a scope is void. */
  announce(scope: string): void {
    const isFull = this.#untold.size >= MAX_SCOPES
    if (isFull) this.#untold.clear()
    const told = isFull ? EVERYBODY : scope
    // It goes to the end: whoever is telling has yet to come there.
    this.#untold.delete(told)
    this.#untold.set(told, ++this.#announcements)
    void this.#tell()
  }

  /** Tells the other replicas that this one has another policy document in force. */
  announcePolicy(): void {
    // Whoever took it over from another does not pass it on.
    const isTakenOver = this.#parts.policyVersion() === this.#versionOfOthers
    this.#versionOfOthers = null
    if (!isTakenOver) this.announce(EVERYBODY)
  }

  async close(): Promise<void> {
    clearInterval(this.#heartbeat)
    await this.#within(this.#parts.bus.close()).catch(() => undefined)
  }

  async #beat(): Promise<void> {
    try {
      if (!this.#isSubscribed) await this.#subscribe()
      await this.#read()
      await this.#tell()
    } catch {
      // Out of reach: `isCurrent` tells when that has lasted too long.
    }
  }

  async #subscribe(): Promise<void> {
    const listener = {
      onNotice: (notice: string) => this.#hear(notice),
      onReconnected: () => void this.#beat(),
    }
    await this.#within(this.#parts.bus.subscribe(listener))
    this.#isSubscribed = true
  }

  /** Notices may have been lost: what is stored has them all. */
  async #read(): Promise<void> {
    const { clock, bus } = this.#parts
    const askedAt = clock()
    const stored = await this.#within(bus.read(this.#readUpTo, this.#known))
    for (const [scope, epoch] of stored) {
      const isMissed = !this.#isHeard(scope, epoch)
      if (isMissed && !this.#forget(scope, epoch)) continue
      this.#readUpTo = Math.max(epoch, this.#readUpTo)
      // The notice that was missed may have told of another policy.
      if (isMissed && scope === EVERYBODY) void this.#parts.checkPolicy()
    }
    this.#lastContact = askedAt
    void this.isCurrent
  }

  /** One at a time: what is announced meanwhile is told by the same. */
  async #tell(): Promise<void> {
    if (this.#isTelling) return
    this.#isTelling = true
    try {
      for (const [scope, announcement] of this.#untold) {
        await this.#tellOf(scope)
        if (this.#untold.get(scope) === announcement) this.#untold.delete(scope)
      }
    } catch {
      // The next heartbeat tries again.
    } finally {
      this.#isTelling = false
    }
  }

  async #tellOf(scope: string): Promise<void> {
    const { bus, secret, policyVersion } = this.#parts
    const epoch = await this.#within(bus.advance(scope, this.#known))
    this.#learn(epoch)
    const notice = sealNotice({ scope, epoch, policyVersion: policyVersion() }, secret)
    await this.#within(bus.publish(notice))
  }

  #hear(text: string): void {
    const { secret, policyVersion } = this.#parts
    const notice = openNotice(text, secret)
    if (notice === null) return
    const { scope, epoch } = notice
    if (this.#isHeard(scope, epoch) || !this.#forget(scope, epoch)) return
    this.#heard.set(scope, epoch)
    if (notice.policyVersion === policyVersion()) return
    this.#versionOfOthers = notice.policyVersion
    void this.#parts.adoptPolicy()
  }

  /** Whether the notice of this epoch, or of a later one, has been heard. */
  #isHeard(scope: string, epoch: number): boolean {
    return epoch <= (this.#heard.get(scope) ?? -Infinity)
  }

  /** Forgets a scope. Of an epoch that nobody made it returns `false`: others may be hidden behind it, so all are forgotten. */
  #forget(scope: string, epoch: number): boolean {
    const isPlausible = this.#learn(epoch)
    this.#parts.invalidate(isPlausible ? scope : EVERYBODY)
    return isPlausible
  }

  /** Keeps in mind that there is this epoch; `false` for one that nobody made. */
  #learn(epoch: number): boolean {
    const isPlausible = epoch <= this.#parts.clock() + MAX_AHEAD_MS
    if (isPlausible) this.#known = Math.max(epoch, this.#known)
    return isPlausible
  }

  #become(isCurrent: boolean): void {
    this.#isCurrent = isCurrent
    if (!replicasChannel.hasSubscribers) return
    replicasChannel.publish(
      Object.freeze<ReplicasEvent>({ state: isCurrent ? 'current' : 'stale' }),
    )
  }

  async #within<T>(answer: Promise<T>): Promise<T> {
    const late = Symbol('late')
    const outcome = await new Deadline().race<T | typeof late>(answer, PATIENCE_MS, late)
    if (outcome === late) throw new Error('the invalidation bus does not answer')
    return outcome
  }
}
