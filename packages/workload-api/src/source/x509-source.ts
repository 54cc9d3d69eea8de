import {
  ExpiryMonitor,
  publishChanges,
  publishProblem,
  publishRejection,
  Updates,
} from '@fastify-spiffe/spiffe/internal'
import type { InitialSync, Problems } from '@fastify-spiffe/spiffe/internal'
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
import { initialSyncFor, problemsOf } from './progress.ts'
import { checkX509SourceOptions } from './options.ts'
import type { X509SourceOptions } from './options.ts'
import { toPicker } from './pick.ts'
import type { X509SvidPicker } from './pick.ts'
import { STARTING, accept, asOf, compare, fail, interrupt } from './snapshot.ts'
import type { Snapshot } from './snapshot.ts'

/**
 * The workload's X.509-SVID and bundles, live from the SPIFFE Workload API.
 *
 * It keeps one stream open, and opens it again whenever it ends. A good message replaces everything
 * that was held. A bad message is refused and published on `node:diagnostics_channel`, and the last
 * good state stays in use. The states are those of {@link SourceState}.
 */
export class X509Source implements X509MaterialSource {
  readonly #channel: Channel
  readonly #clock: () => number
  readonly #pick: X509SvidPicker
  readonly #retry: RetryPolicy
  readonly #updates = new Updates()
  readonly #closing = new AbortController()
  readonly #expiryMonitor: ExpiryMonitor
  readonly #initialSync: InitialSync<WorkloadApiError> = initialSyncFor('an X.509-SVID')
  readonly #problems: Problems<WorkloadApiError>
  #held: Snapshot = STARTING
  /** The snapshot that listeners know. */
  #published: Snapshot = STARTING
  /** Why the stream is down, `null` when it ended cleanly; `undefined` while it is up. */
  #interruption: WorkloadApiError | null | undefined
  #running: Promise<void> = Promise.resolve()

  private constructor(options: X509SourceOptions) {
    this.#clock = options.clock ?? Date.now
    this.#pick = toPicker(options.pick)
    this.#retry = new RetryPolicy(options.backoff, options.random)
    this.#channel = new Channel(findEndpointAddress(options.address))
    this.#problems = problemsOf({
      endpoint: this.endpoint,
      name: 'X509Source',
      publish: publishProblem,
      onProblem: options.onProblem,
    })
    this.#expiryMonitor = new ExpiryMonitor({
      clock: this.#clock,
      onTick: () => this.#publish(),
      onRenewalOverdue: () => this.#channel.renew(),
    })
  }

  /**
   * Connects, and waits for the first SVID.
   *
   * While the endpoint cannot be reached, or has no identity for this workload yet, it tries again
   * until `timeoutMs` has passed. It waits for an SVID that is not valid yet. The error says what was
   * wrong last.
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
        await source.#initialSync.wait(scope.signal)
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
    // Reads the clock, because a timer may be late, such as after the machine slept.
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

  /** Why the source is not `ready`; `null` when it is ready, or when the reason is not known. */
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
      this.#expiryMonitor.set(null)
      this.#transition({ ...this.#held, state: 'closed' })
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
      this.#transition(fail(this.#held, reason))
      this.#initialSync.fail(reason)
    }
  }

  #handle(event: ReviewedEvent): void {
    if (event.type === 'message') {
      this.#interruption = undefined
      this.#transition(this.#accept(event.message))
    } else if (event.type === 'reviewed') {
      // An SVID that came earlier has become valid. That says nothing about the stream.
      const next = this.#accept(event.message)
      this.#transition(
        this.#interruption === undefined ? next : interrupt(next, this.#interruption),
      )
    } else if (event.type === 'discarded') {
      publishRejection(this.endpoint, { part: 'svid', error: event.error })
      this.#transition(interrupt(this.#held, event.error))
    } else {
      this.#interruption = event.error
      this.#transition(interrupt(this.#held, event.error))
      if (event.error?.code === 'unimplemented') this.#initialSync.fail(event.error)
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

  #transition(next: Snapshot): void {
    const before = this.#held
    if (before.state === 'closed') return
    this.#held = next
    if (next.svid !== before.svid) this.#expiryMonitor.set(next.svid)
    this.#publish()
  }

  #publish(): void {
    const before = this.#published
    const present = this.#present
    this.#published = present
    this.#initialSync.onSnapshot({ isUsable: present.svid !== null, error: present.error })
    publishChanges(this.endpoint, before, present)
    if (Object.values(compare(before, present)).includes(true)) this.#updates.notify()
    this.#problems.onSnapshot(present)
  }
}
