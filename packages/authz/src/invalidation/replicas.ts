import { replicasChannel, type ReplicasEvent } from '../events.ts'
import { Deadline } from '../step/deadline.ts'
import { openNotice, sealNotice } from './notice.ts'
import type { ReplicasSettings } from './options.ts'

export interface ReplicasParts extends ReplicasSettings {
  /** Forgets what is remembered about a scope, `*` for all. */
  readonly invalidate: (scope: string) => void
  /** The policy document in force here. */
  readonly policyVersion: () => string
  /** Reads the policy document anew, since another replica has another one in force. Never rejects. */
  readonly adoptPolicy: () => Promise<void>
  /** Milliseconds since the epoch. */
  readonly clock: () => number
}

/** The scope of all tenants. */
export const EVERYBODY = '*'
/** An epoch that is further ahead than this was made by nobody's clock. */
const MAX_AHEAD_MS = 10 * 60_000
/** What a bus may take for one answer. */
const PATIENCE_MS = 2000

/**
 * Keeps the cache of this replica in step with those of the others. Epochs only grow, so that notices may come late, twice
 * or out of order, and an old one that is sent again does nothing.
 */
export class Replicas {
  readonly #parts: ReplicasParts
  /** Of all notices and of what is stored. */
  readonly #epochs = new Map<string, number>()
  /** Of notices alone, which are authenticated: what anybody may have stored hides none of them. */
  readonly #heard = new Map<string, number>()
  /** What could not be told yet. */
  readonly #untold = new Map<string, number>()
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
    const now = Math.floor(this.#parts.clock())
    const epoch = Math.max(now, (this.#epochs.get(scope) ?? 0) + 1)
    this.#epochs.set(scope, epoch)
    this.#untold.set(scope, epoch)
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
    const { clock } = this.#parts
    const askedAt = clock()
    const stored = await this.#within(this.#parts.bus.read())
    for (const [scope, epoch] of stored) this.#advance(scope, epoch, this.#epochs)
    this.#lastContact = askedAt
    void this.isCurrent
  }

  async #tell(): Promise<void> {
    const { bus, secret, policyVersion } = this.#parts
    for (const [scope, epoch] of this.#untold) {
      const notice = sealNotice({ scope, epoch, policyVersion: policyVersion() }, secret)
      try {
        await this.#within(bus.publish(scope, epoch, notice))
      } catch {
        // The next heartbeat tries again.
        return
      }
      if (this.#untold.get(scope) === epoch) this.#untold.delete(scope)
    }
  }

  #hear(text: string): void {
    const { secret, policyVersion } = this.#parts
    const notice = openNotice(text, secret)
    if (notice === null) return
    const isNews = this.#advance(notice.scope, notice.epoch, this.#heard)
    if (!isNews || notice.policyVersion === policyVersion()) return
    this.#versionOfOthers = notice.policyVersion
    void this.#parts.adoptPolicy()
  }

  /** Returns whether the epoch is greater than the known one. */
  #advance(scope: string, epoch: number, known: Map<string, number>): boolean {
    if (!(epoch <= this.#parts.clock() + MAX_AHEAD_MS)) {
      // Whoever can write such an epoch may hide others behind it.
      this.#parts.invalidate(EVERYBODY)
      return false
    }
    if (epoch <= (known.get(scope) ?? -Infinity)) return false
    known.set(scope, epoch)
    this.#epochs.set(scope, Math.max(epoch, this.#epochs.get(scope) ?? epoch))
    this.#parts.invalidate(scope)
    return true
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

/** The scope of a tenant: neither a trust domain nor a tenant's name has a slash. */
export function scopeOf(tenantKey: string): string {
  return tenantKey.replace('\0', '/')
}

/** The tenant of a scope. */
export function tenantKeyOf(scope: string): string {
  return scope.replace('/', '\0')
}
