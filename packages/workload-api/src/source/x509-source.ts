import { Updates } from '@fastify-spiffe/spiffe/internal'
import type {
  BundleSet,
  SourceState,
  WaitOptions,
  X509MaterialSource,
  X509Svid,
} from '@fastify-spiffe/spiffe'

import { Channel } from '../channel/channel.ts'
import { findEndpointAddress } from '../endpoint/address.ts'
import { WorkloadApiError, toWorkloadApiError } from '../errors.ts'
import type { ParsedMessage } from '../messages/parsed-message.ts'
import type { JudgedContext } from '../messages/x509-context.ts'
import { CallScope } from '../watch/call-scope.ts'
import { RetryPolicy } from '../watch/retry-policy.ts'
import { reviewed } from '../watch/reviewed.ts'
import type { ReviewedEvent } from '../watch/reviewed.ts'
import { receiveX509Reviews } from '../watch/streams.ts'
import { watch } from '../watch/watch.ts'
import { publishChanges, publishRejection } from './events.ts'
import { Opening } from './opening.ts'
import { checkX509SourceOptions } from './options.ts'
import type { X509SourceOptions } from './options.ts'
import { toPicker } from './pick.ts'
import type { X509SvidPicker } from './pick.ts'
import { Problems } from './problems.ts'
import { STARTING, accept, asOf, compare, fail, interrupt } from './snapshot.ts'
import type { Snapshot } from './snapshot.ts'
import { Vigil } from './vigil.ts'

/**
 * The workload's X.509-SVID and bundles, live from the SPIFFE Workload API.
 *
 * It keeps one stream open and opens it again whenever it ends. What the API says replaces what was
 * held; what is bad is refused and published, and the last good state serves on. The states are those
 * of {@link SourceState}.
 */
export class X509Source implements X509MaterialSource {
  readonly #channel: Channel
  readonly #clock: () => number
  readonly #pick: X509SvidPicker
  readonly #retry: RetryPolicy
  readonly #updates = new Updates()
  readonly #closing = new AbortController()
  readonly #vigil: Vigil
  readonly #opening = new Opening()
  readonly #problems: Problems
  #held: Snapshot = STARTING
  /** What everybody has been told. */
  #told: Snapshot = STARTING
  /** Why the stream is down, `null` when it ended cleanly; `undefined` while it is up. */
  #interruption: WorkloadApiError | null | undefined
  #running: Promise<void> = Promise.resolve()

  private constructor(options: X509SourceOptions) {
    this.#clock = options.clock ?? Date.now
    this.#pick = toPicker(options.pick)
    this.#retry = new RetryPolicy(options.backoff, options.random)
    this.#channel = new Channel(findEndpointAddress(options.address))
    this.#problems = new Problems({ endpoint: this.endpoint, onProblem: options.onProblem })
    this.#vigil = new Vigil({
      clock: this.#clock,
      onLook: () => this.#tell(),
      onOverdue: () => this.#channel.renew(),
    })
  }

  /**
   * Connects, and waits for the first SVID.
   *
   * An endpoint that is away, or has no identity for this workload yet, is tried again until the
   * time is up, and an SVID that is not valid yet is waited for; the error then says what stood in the
   * way.
   *
   * @throws {@link WorkloadApiError} at once `unknown-option`, `invalid-option`, `no-endpoint`,
   *   `invalid-endpoint`, `invalid-request`, `unimplemented`, `aborted`, `internal`; after `timeoutMs` the code
   *   of the last failure, such as `unreachable`, `no-identity`, `not-yet-valid` or `invalid-svid`, and `timeout` when
   *   there was no answer
   */
  static async open(options: X509SourceOptions = {}): Promise<X509Source> {
    checkX509SourceOptions(options)
    const { signal, timeoutMs = 30_000 } = options
    const scope = new CallScope({ signal, timeoutMs })
    try {
      scope.signal.throwIfAborted()
      const source = new X509Source(options)
      source.#running = source.#run()
      try {
        await source.#opening.wait(scope.signal)
        return source
      } catch (error) {
        await source.close()
        throw error
      } finally {
        source.#problems.opened()
      }
    } finally {
      scope.release()
    }
  }

  get svid(): X509Svid | null {
    // Asked of the clock, for a timer may be late: after the machine slept, for example.
    return this.#present.svid
  }

  /** All SVIDs of this workload that have not expired; `svid` is the one that `pick` chose. */
  get svids(): readonly X509Svid[] {
    const now = this.#clock()
    return this.#held.svids.filter((svid) => !svid.isExpired(now))
  }

  get bundles(): BundleSet {
    return this.#held.bundles
  }

  get state(): SourceState {
    return this.#present.state
  }

  /** Why the source is not `ready`; `null` when it is, or when nobody said why. */
  get error(): WorkloadApiError | null {
    return this.#held.error
  }

  /** The address of the Workload API. */
  get endpoint(): string {
    return this.#channel.address.uri
  }

  get subscriptions(): number {
    return this.#updates.size
  }

  onUpdate(listener: () => void): () => void {
    return this.#updates.onUpdate(listener)
  }

  nextUpdate(options?: WaitOptions): Promise<void> {
    return this.#updates.nextUpdate(options)
  }

  async close(): Promise<void> {
    if (this.#held.state !== 'closed') {
      this.#vigil.set(null)
      this.#turnTo({ ...this.#held, state: 'closed' })
      this.#closing.abort(new WorkloadApiError('closed', 'the source is closed'))
      this.#updates.close()
      this.#channel.close()
    }
    await this.#running
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  async #run(): Promise<void> {
    const open = (signal: AbortSignal) => receiveX509Reviews(this.#channel, this.#clock, signal)
    const follow = (signal: AbortSignal) => watch(open, { retry: this.#retry, signal })
    const { signal } = this.#closing
    try {
      for await (const event of reviewed(follow, { clock: this.#clock, signal })) {
        this.#handle(event)
      }
    } catch (error) {
      if (this.#held.state === 'closed') return
      const reason = toWorkloadApiError(error)
      this.#turnTo(fail(this.#held, reason))
      this.#opening.fail(reason)
    }
  }

  #handle(event: ReviewedEvent): void {
    if (event.type === 'message') {
      this.#interruption = undefined
      this.#turnTo(this.#accept(event.message))
    } else if (event.type === 'reviewed') {
      // The time has come of what arrived before: that says nothing of the supply.
      const next = this.#accept(event.message)
      this.#turnTo(this.#interruption === undefined ? next : interrupt(next, this.#interruption))
    } else if (event.type === 'discarded') {
      publishRejection(this.endpoint, { part: 'svid', error: event.error })
      this.#turnTo(interrupt(this.#held, event.error))
    } else {
      this.#interruption = event.error
      this.#turnTo(interrupt(this.#held, event.error))
      if (event.error?.code === 'unimplemented') this.#opening.fail(event.error)
    }
  }

  #accept(message: ParsedMessage<JudgedContext>): Snapshot {
    for (const problem of message.problems) publishRejection(this.endpoint, problem)
    try {
      return accept(this.#held, message, this.#pick)
    } catch (error) {
      return interrupt(this.#held, toWorkloadApiError(error))
    }
  }

  get #present(): Snapshot {
    return asOf(this.#held, this.#clock())
  }

  #turnTo(next: Snapshot): void {
    const before = this.#held
    if (before.state === 'closed') return
    this.#held = next
    if (next.svid !== before.svid) this.#vigil.set(next.svid)
    this.#tell()
  }

  #tell(): void {
    const before = this.#told
    const present = this.#present
    this.#told = present
    this.#opening.note(present)
    publishChanges(this.endpoint, before, present)
    if (Object.values(compare(before, present)).includes(true)) this.#updates.notify()
    this.#problems.note(present)
  }
}
