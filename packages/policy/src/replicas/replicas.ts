import { randomBytes } from 'node:crypto'
import type { SetTimer } from '@fastify-spiffe/spiffe'
import { setReferencedTimer } from '@fastify-spiffe/spiffe/internal'
import { BusError, within } from './bus-calls.ts'
import { BusLink } from './bus-link.ts'
import { Forgetting } from './forgetting.ts'
import { type InvalidationMessage, signMessage, type SigningKey, verifyMessage } from './message.ts'
import type { ReplicasSettings } from './options.ts'
import { PendingScopes } from './pending-scopes.ts'
import { PolicyAgreement, type PolicyInForce } from './policy-agreement.ts'
import { type ReplicasLog, ReplicasReport } from './report.ts'
import { ALL_TENANTS } from './scope.ts'
import { SenderCounts } from './sender-counts.ts'
import type { ReplicasState } from './state.ts'

export interface ReplicasParts extends ReplicasSettings {
  /** Forgets the cached decisions of a scope, `*` for all. */
  readonly invalidate: (scope: string) => void
  readonly policy: PolicyInForce
  readonly log: ReplicasLog
  /** Milliseconds since the epoch. */
  readonly clock: () => number
  /** For the deadlines of the bus. Default: timers that keep the process alive. */
  readonly setTimer?: SetTimer
}

/** More than this in one heartbeat is not verified: until the next one, the cache is not used. */
const MAX_MESSAGES_PER_HEARTBEAT = 20_000

/**
 * Keeps the cache of this replica in step with those of the others. Each replica numbers its
 * invalidations, and repeats the last number with each heartbeat: a replica that missed one forgets
 * everything. A replica is in touch when it receives its own heartbeat: then the bus accepts and
 * delivers messages.
 */
export class Replicas {
  readonly #parts: ReplicasParts
  readonly #setTimer: SetTimer
  readonly #key: SigningKey
  readonly #link: BusLink
  readonly #agreement: PolicyAgreement
  readonly #report: ReplicasReport
  readonly #sender = randomBytes(16).toString('base64url')
  readonly #senders: SenderCounts
  readonly #forgetting: Forgetting
  readonly #pending = new PendingScopes()
  /**
   * What is being published. If that fails it is sent again unchanged: to replicas that received
   * it, it is not new.
   */
  #current: string | null = null
  #count = 0
  #flushing: Promise<void> | null = null
  /** The last attempt to publish invalidations failed. */
  #isFlushFailing = false
  #isSyncing = false
  #isSyncWanted = false
  #isClosed = false
  #heartbeat: NodeJS.Timeout | undefined
  #error: unknown = null
  #received = 0
  /** When all was last forgotten because another replica is silent. */
  #forgottenAt = -Infinity
  #unverified = 0
  #misdated = 0

  constructor(parts: ReplicasParts) {
    const { bus, secret, policy, log, clock, setTimer = setReferencedTimer } = parts
    this.#parts = parts
    this.#setTimer = setTimer
    this.#key = { secret, bus: bus.name }
    this.#agreement = new PolicyAgreement(policy, clock)
    this.#report = new ReplicasReport(log, clock)
    this.#senders = new SenderCounts(clock)
    this.#forgetting = new Forgetting(() => parts.invalidate(ALL_TENANTS))
    this.#link = new BusLink({
      bus,
      clock,
      setTimer,
      onMessage: (text) => this.#onMessage(text),
      onSubscribed: () => {
        this.#forgetting.forget()
        void this.#sync()
      },
    })
  }

  /** Whether the cache of this replica can be used. */
  get isCurrent(): boolean {
    return this.#isInTouch && !this.#forgetting.isDue
  }

  get #isInTouch(): boolean {
    const staleMs = this.#parts.clock() - this.#link.lastContact
    // If the clock is set back, the duration is unknown.
    return staleMs >= 0 && staleMs <= this.#parts.maxStaleMs
  }

  get state(): ReplicasState {
    return Object.freeze<ReplicasState>({
      state: this.#isInTouch ? 'current' : 'stale',
      pending: this.#isFlushFailing ? this.#unpublished : 0,
      problem: this.#error instanceof BusError ? this.#error.code : null,
      policy: this.#agreement.differingVersion === null ? 'agreed' : 'differs',
      unverified: this.#unverified,
    })
  }

  /** Starts the subscription. While the bus is out of reach, the cache is not used. */
  async start(): Promise<void> {
    this.#heartbeat = setInterval(() => {
      this.#received = 0
      this.#forgetting.onHeartbeat()
      this.#forgetForSilent()
      void this.#sync()
    }, this.#parts.heartbeatMs).unref()
    await this.#sync()
  }

  /** Informs the other replicas that the cached decisions of a scope are void. */
  publish(scope: string): void {
    this.#pending.add(scope)
    this.#flush().then(
      () => this.#update(this.#error),
      (error: unknown) => this.#update(error),
    )
  }

  /** Tells the other replicas that a policy document was put in force here. */
  publishPolicy(): void {
    this.#agreement.onReplaced()
    void this.#sync()
  }

  /** Tells them that code wants the policy document that is in force here already, if they have others. */
  affirmPolicy(): void {
    if (this.#agreement.differingVersion !== null) this.publishPolicy()
  }

  /** Publishes what is pending, as far as that does not take long. */
  async close(): Promise<void> {
    clearInterval(this.#heartbeat)
    await within(this.#end(), 'bus-timeout', this.#setTimer).catch(() => undefined)
    this.#isClosed = true
    await this.#link.close()
    const pending = this.#unpublished
    if (pending === 0) return
    const message = 'invalidations were not published before the application closed'
    this.#parts.log.warn({ code: 'invalidations-lost', pending }, message)
  }

  async #end(): Promise<void> {
    await this.#flush()
    await this.#link.publish(this.#sign({ kind: 'end', sender: this.#sender, count: this.#count }))
  }

  /**
   * A replica that cannot publish cannot share its invalidations: nothing is cached for longer than
   * a bus may be out of touch.
   */
  #forgetForSilent(): void {
    const { clock, maxStaleMs } = this.#parts
    const sinceMs = clock() - this.#forgottenAt
    if (sinceMs >= 0 && sinceMs <= maxStaleMs) return
    if (!this.#senders.isAnySilent(maxStaleMs)) return
    this.#forgottenAt = clock()
    this.#forgetting.forget()
  }

  get #unpublished(): number {
    return this.#pending.size + (this.#current === null ? 0 : 1)
  }

  /**
   * Publishes what is pending and the state of this replica, and waits until it receives that
   * itself. One at a time.
   */
  async #sync(): Promise<void> {
    this.#isSyncWanted = true
    if (this.#isSyncing) return
    this.#isSyncing = true
    let error: unknown = null
    try {
      while (this.#isSyncWanted && !this.#isClosed) {
        this.#isSyncWanted = false
        void this.#agreement.sync()
        await this.#flush()
        await this.#link.confirm((beat) => this.#writeSync(beat))
      }
    } catch (cause) {
      // The next heartbeat tries again.
      error = cause
    }
    this.#isSyncing = false
    this.#update(error)
  }

  /** What is invalidated meanwhile is published by the same. */
  #flush(): Promise<void> {
    this.#flushing ??= this.#publishAll()
    return this.#flushing
  }

  async #publishAll(): Promise<void> {
    // Begins when it is known that it is under way.
    await Promise.resolve()
    try {
      for (let text = this.#next(); text !== null; text = this.#next()) {
        await this.#link.publish(text)
        this.#current = null
      }
      this.#isFlushFailing = false
    } catch (error) {
      this.#isFlushFailing = true
      throw error
    } finally {
      this.#flushing = null
    }
  }

  #next(): string | null {
    if (this.#isClosed) return null
    const scope = this.#current === null ? this.#pending.take() : undefined
    if (scope !== undefined) {
      this.#current = this.#sign({
        kind: 'invalidation',
        sender: this.#sender,
        count: ++this.#count,
        scope,
      })
    }
    return this.#current
  }

  #writeSync(beat: number): string {
    return this.#sign({
      kind: 'sync',
      sender: this.#sender,
      count: this.#count,
      beat,
      sentAt: this.#parts.clock(),
      policy: this.#agreement.statement,
    })
  }

  #sign(message: InvalidationMessage): string {
    return signMessage(message, this.#key)
  }

  #onMessage(text: string): void {
    if (++this.#received > MAX_MESSAGES_PER_HEARTBEAT) {
      this.#forgetting.suspend()
      return
    }
    const message = verifyMessage(text, this.#key)
    if (message === null) this.#unverified++
    else if (message.sender === this.#sender) this.#onOwnMessage(message)
    else this.#onVerified(message)
  }

  #onOwnMessage(message: InvalidationMessage): void {
    // What was lost of the own messages shows that others may have been lost as well.
    if (this.#senders.record(message) === 'gap') this.#forgetting.forget()
    if (message.kind === 'sync') this.#link.heard(message.beat)
  }

  #onVerified(message: InvalidationMessage): void {
    const order = this.#senders.record(message)
    if (order === 'repeated') return
    if (order === 'gap') this.#forgetting.forget()
    else if (message.kind === 'invalidation') this.#parts.invalidate(message.scope)
    if (message.kind === 'end') this.#agreement.onEnd(message.sender)
    if (message.kind !== 'sync') return
    const { policy, sender, sentAt } = message
    if (!this.#agreement.onStatement({ ...policy, sender, sentAt })) this.#misdated++
  }

  #update(error: unknown): void {
    this.#error = error
    // What is behind silence, a client says where it listens.
    const cause = error instanceof BusError ? (error.cause ?? this.#link.subscriptionError) : error
    this.#report.update({
      ...this.state,
      cause,
      policyVersion: this.#parts.policy.version,
      differingVersion: this.#agreement.differingVersion,
      misdated: this.#misdated,
    })
  }
}
