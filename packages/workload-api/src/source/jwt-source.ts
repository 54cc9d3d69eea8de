import { Updates } from '@fastify-spiffe/spiffe/internal'
import type { InitialSync, Problems } from '@fastify-spiffe/spiffe/internal'
import type {
  BundleSet,
  JwtBundle,
  JwtMaterialSource,
  JwtSvid,
  JwtSvidRequest,
  SetTimer,
  SourceState,
  WaitOptions,
} from '@fastify-spiffe/spiffe'

import { Channel } from '../channel/channel.ts'
import { findEndpointAddress } from '../endpoint/address.ts'
import { WorkloadApiError, toWorkloadApiError } from '../errors.ts'
import { JwtBundleReader } from '../messages/jwt-bundles.ts'
import type { TokenRequest } from '../messages/jwt-svids.ts'
import type { AgentJwtVerdict } from '../messages/jwt-validation.ts'
import { fetchJwtSvids } from '../tokens/fetch-jwt-svids.ts'
import { TokenCache } from '../tokens/token-cache.ts'
import { chooseByHint, readTokenRequest } from '../tokens/token-request.ts'
import { askAgent } from '../tokens/validate-by-agent.ts'
import type { AgentValidationOptions } from '../tokens/validate-by-agent.ts'
import { CallScope } from '../watch/call-scope.ts'
import { RetryPolicy } from '../watch/retry-policy.ts'
import { receiveJwtBundles } from '../watch/streams.ts'
import { watch, type WatchEvent } from '../watch/watch.ts'
import {
  publishFetchFailure,
  publishJwtChanges,
  publishJwtProblem,
  publishJwtRejection,
  publishJwtSvids,
} from './jwt-events.ts'
import { readJwtSourceOptions, type JwtSourceOptions } from './jwt-options.ts'
import {
  JWT_STARTING,
  acceptBundles,
  hasLeft,
  interruptBundles,
  isOfGoneAuthority,
} from './jwt-snapshot.ts'
import type { JwtSnapshot } from './jwt-snapshot.ts'
import { initialSyncFor, problemsOf } from './progress.ts'

/** The longest time that one call for a token may take, whoever waits for it. */
const CALL_TIMEOUT_MS = 30_000

/**
 * The JWT bundles, live from the SPIFFE Workload API, and the workload's own JWT-SVIDs, fetched when they are asked for.
 *
 * The bundles follow one stream, as those of `X509Source` do: a good message replaces everything that was held, a bad
 * one is refused and published on `node:diagnostics_channel`, and the last good state stays in use. The states are those
 * of `SourceState`; `expired` is not among them, as bundles do not expire.
 *
 * Tokens are kept by identity and audiences, and renewed at half of their life. They are on no channel, in no error and
 * in no JSON.
 */
export class JwtSource implements JwtMaterialSource {
  readonly #channel: Channel
  readonly #clock: () => number
  readonly #setTimer: SetTimer
  readonly #retry: RetryPolicy
  readonly #updates = new Updates()
  readonly #closing = new AbortController()
  readonly #initialSync: InitialSync<WorkloadApiError> = initialSyncFor('the JWT bundles')
  readonly #problems: Problems<WorkloadApiError>
  readonly #tokens: TokenCache
  #held: JwtSnapshot = JWT_STARTING
  #running: Promise<void> = Promise.resolve()

  private constructor(options: JwtSourceOptions) {
    const { clock, random, setTimer, maxCachedTokens: maxEntries } = readJwtSourceOptions(options)
    this.#setTimer = setTimer
    this.#clock = clock
    this.#retry = new RetryPolicy(options.backoff, random)
    this.#channel = new Channel(findEndpointAddress(options.address))
    const { endpoint } = this
    this.#problems = problemsOf({
      endpoint,
      name: 'JwtSource',
      publish: publishJwtProblem,
      onProblem: options.onProblem,
    })
    this.#tokens = new TokenCache({
      fetch: (request) => this.#call(request),
      clock,
      random,
      backoff: this.#retry.bounds,
      maxEntries,
      onFailure: (request, error) => publishFetchFailure(endpoint, request, error),
    })
  }

  /**
   * Connects, and waits for the first JWT bundles.
   *
   * While the endpoint cannot be reached, or has no identity for this workload yet, it tries again until `timeoutMs` has
   * passed. The error says what was wrong last.
   *
   * @throws {@link WorkloadApiError} at once `unknown-option`, `invalid-option`, `no-endpoint`, `invalid-endpoint`,
   *   `invalid-request`, `unimplemented`, `aborted`, `internal`; after `timeoutMs` the code of the last failure, such as
   *   `unreachable`, `no-identity` or `invalid-message`, and `timeout` when there was no answer
   */
  static async open(options: JwtSourceOptions = {}): Promise<JwtSource> {
    readJwtSourceOptions(options)
    const { signal, timeoutMs = 30_000 } = options
    const scope = new CallScope({ signal, timeoutMs })
    try {
      scope.signal.throwIfAborted()
      const source = new JwtSource(options)
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

  get jwtBundles(): BundleSet<JwtBundle> {
    return this.#held.bundles
  }

  get state(): SourceState {
    return this.#held.state
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

  /**
   * A JWT-SVID of this workload that is valid now: of the identity that the request names by `spiffeId` or `hint`, or of
   * the default one.
   *
   * There is one call of the Workload API at a time for the same identity and audiences, of 30 s at most, and none right
   * after one that failed. While a token is renewed, or if that fails, the one before is given out as long as it is valid;
   * only when the agent says that there is no such identity (`no-identity`) is it given up.
   *
   * @throws {@link WorkloadApiError} `unknown-option`, `invalid-option`, `closed`, `aborted`, `timeout`, `no-match` when no
   *   SVID has the hint, `limit-exceeded`, or why the call or its answer was refused, such as `no-identity`, `unavailable`,
   *   `invalid-svid`
   */
  async fetchJwtSvid(request: JwtSvidRequest): Promise<JwtSvid> {
    const svids = await this.#tokensFor(request)
    return chooseByHint(svids, request.hint)
  }

  /**
   * As {@link fetchJwtSvid}, for all identities of this workload. The first is the default one.
   * @throws {@link WorkloadApiError} as {@link fetchJwtSvid}
   */
  fetchJwtSvids(request: Omit<JwtSvidRequest, 'hint'>): Promise<readonly JwtSvid[]> {
    return this.#tokensFor(request)
  }

  /**
   * Asks the agent whether it accepts a token of somebody else. **It is the agent that decides**: nothing is verified
   * here, each token costs a call, and the verdict ends with this moment. To verify tokens in this process against
   * {@link jwtBundles}: `JwtSvidVerifier` of `@fastify-spiffe/spiffe/jwt-svid`.
   *
   * @throws {@link WorkloadApiError} `unknown-option`, `invalid-option`, `closed`, `aborted`, `timeout`, or why there was no
   *   answer; a token that the agent refuses is a verdict
   */
  validateJwtSvidByAgent(token: string, options: AgentValidationOptions): Promise<AgentJwtVerdict> {
    return askAgent(this.#channel, this.#closing.signal, token, options)
  }

  async close(): Promise<void> {
    if (this.#held.state !== 'closed') {
      this.#transition({ ...this.#held, state: 'closed' })
      this.#closing.abort(new WorkloadApiError('closed', 'the source is closed'))
      this.#tokens.clear()
      this.#updates.close()
      this.#channel.close()
    }
    await this.#running
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  async #run(): Promise<void> {
    const bundles = new JwtBundleReader()
    const open = (signal: AbortSignal) => receiveJwtBundles(this.#channel, bundles, signal)
    const { signal } = this.#closing
    try {
      for await (const event of watch(open, { retry: this.#retry, signal })) this.#handle(event)
    } catch (error) {
      if (this.#held.state === 'closed') return
      const reason = toWorkloadApiError(error)
      this.#transition({ ...this.#held, state: 'failed', error: reason })
      this.#initialSync.fail(reason)
    }
  }

  #handle(event: WatchEvent<BundleSet<JwtBundle>>): void {
    if (event.type === 'message') {
      for (const problem of event.message.problems) publishJwtRejection(this.endpoint, problem)
      this.#transition(acceptBundles(this.#held, event.message.value, this.#clock()))
      return
    }
    const { error } = event
    if (event.type === 'discarded') {
      publishJwtRejection(this.endpoint, { part: 'bundle', error: event.error })
    }
    this.#transition(interruptBundles(this.#held, error))
    if (error?.code === 'unimplemented') this.#initialSync.fail(error)
  }

  #transition(next: JwtSnapshot): void {
    const before = this.#held
    if (before.state === 'closed') return
    this.#held = next
    // What peers would refuse is not presented: the identity is gone, or the key of the token.
    if (next.state === 'denied' && before.state !== 'denied') this.#tokens.clear()
    else this.#tokens.forgetSignedBy(hasLeft(before.bundles, next.bundles))
    this.#initialSync.onSnapshot({ isUsable: next.state === 'ready', error: next.error })
    publishJwtChanges(this.endpoint, before, next)
    if (before.state !== next.state || before.bundles !== next.bundles) this.#updates.notify()
    this.#problems.onSnapshot(next)
  }

  async #tokensFor(request: JwtSvidRequest): Promise<readonly JwtSvid[]> {
    const { signal, timeoutMs = CALL_TIMEOUT_MS } = request
    const owner = this.#closing.signal
    const wanted = readTokenRequest(request)
    const ready = owner.aborted || signal?.aborted === true ? undefined : this.#tokens.ready(wanted)
    if (ready !== undefined) return ready
    const scope = new CallScope({ signal, owner, timeoutMs, setTimer: this.#setTimer })
    try {
      scope.signal.throwIfAborted()
      return await scope.orEnd(this.#tokens.get(wanted))
    } catch (error) {
      throw toWorkloadApiError(error)
    } finally {
      scope.release()
    }
  }

  /** One call, for all who wait for its answer: their signals do not end it. */
  async #call(request: TokenRequest): Promise<readonly JwtSvid[]> {
    const owner = this.#closing.signal
    const limit = { timeoutMs: CALL_TIMEOUT_MS, setTimer: this.#setTimer }
    const scope = new CallScope({ signal: undefined, owner, ...limit })
    const { endpoint } = this
    try {
      const fetched = await fetchJwtSvids(this.#channel, request, this.#clock, scope.signal)
      for (const problem of fetched.problems) publishJwtRejection(endpoint, problem)
      const svids = this.#withoutGone(fetched.value)
      publishJwtSvids(endpoint, svids)
      return svids
    } catch (error) {
      // The connection may be dead without a sign.
      if (scope.signal.aborted && !owner.aborted) this.#channel.renew()
      throw error
    } finally {
      scope.release()
    }
  }

  /** As for all that is bad: the first is the default identity, and without it there is none. */
  #withoutGone(svids: readonly JwtSvid[]): readonly JwtSvid[] {
    const good = svids.filter((svid) => !isOfGoneAuthority(svid, this.#held))
    if (good.length === svids.length) return svids
    const message =
      'the agent gave a JWT-SVID of an authority that has left the bundle; it keeps tokens, and gives a new one in time'
    const error = new WorkloadApiError('untrusted-svid', message)
    if (good[0] !== svids[0]) throw error
    publishJwtRejection(this.endpoint, { part: 'svid', error })
    return good
  }
}
