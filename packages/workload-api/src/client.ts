import type {
  BundleSet,
  JwtBundle,
  JwtSvid,
  JwtSvidRequest,
  SpiffeId,
} from '@fastify-spiffe/spiffe'

import { Channel } from './channel/channel.ts'
import { findEndpointAddress } from './endpoint/address.ts'
import type { EndpointAddress } from './endpoint/address.ts'
import { WorkloadApiError, toWorkloadApiError } from './errors.ts'
import { JwtBundleReader } from './messages/jwt-bundles.ts'
import type { WitSvid } from './messages/wit-svids.ts'
import type { AgentJwtVerdict } from './messages/jwt-validation.ts'
import { presentContext } from './messages/x509-context.ts'
import type { X509Context } from './messages/x509-context.ts'
import { reader } from './options.ts'
import { fetchJwtSvids } from './tokens/fetch-jwt-svids.ts'
import { readSpiffeId, readTokenRequest } from './tokens/token-request.ts'
import { askAgent } from './tokens/validate-by-agent.ts'
import type { AgentValidationOptions } from './tokens/validate-by-agent.ts'
import { WitProfile } from './tokens/wit-profile.ts'
import { CallScope } from './watch/call-scope.ts'
import { RetryPolicy } from './watch/retry-policy.ts'
import type { BackoffOptions } from './watch/retry-policy.ts'
import { reviewed } from './watch/reviewed.ts'
import {
  firstOf,
  receiveJwtBundles,
  receiveX509Bundles,
  receiveX509Contexts,
  receiveX509Reviews,
} from './watch/streams.ts'
import { watch } from './watch/watch.ts'
import type { Received } from './watch/watch.ts'

/** Options of {@link WorkloadApiClient}. */
export interface WorkloadApiClientOptions {
  /** Where the Workload API is; default `SPIFFE_ENDPOINT_SOCKET`. */
  readonly address?: string
  /** The waits between the attempts of a watch. Default: those of {@link BackoffOptions}. */
  readonly backoff?: BackoffOptions
  /** The time in milliseconds since the epoch; default `Date.now`. */
  readonly clock?: () => number
  /** A number from 0 to 1, for the jitter; default `Math.random`. */
  readonly random?: () => number
}

/** Options of a call that is answered once. */
export interface FetchOptions {
  /** Ends the call with the error `aborted`. Default: none. */
  readonly signal?: AbortSignal
  /** The longest wait for the answer, in milliseconds; default 30,000. */
  readonly timeoutMs?: number
}

/** Options of `fetchWitSvids`. */
export interface WitFetchOptions extends FetchOptions {
  /** Which identity of this workload to ask for. Default: all. */
  readonly spiffeId?: SpiffeId | string
}

/** Options of a watch. */
export interface ClientWatchOptions {
  /** Ends the watch, without an error. Default: none. */
  readonly signal?: AbortSignal
  /**
   * Called for each discarded message, each part of a message that is left out, and each failed
   * call. Default: nothing does.
   */
  readonly onProblem?: (problem: WorkloadApiError) => void
}

type Open<T> = (signal: AbortSignal) => AsyncGenerator<Received<T>, void>

/**
 * A client of the SPIFFE Workload API. It connects at the first call.
 *
 * A service that presents its SVID uses `X509Source` instead: it holds the last good state, and knows
 * whether that may still be used.
 */
export class WorkloadApiClient implements AsyncDisposable {
  readonly #channel: Channel
  readonly #options: WorkloadApiClientOptions
  readonly #clock: () => number
  readonly #closing = new AbortController()
  readonly #wit: WitProfile

  /** @throws {@link WorkloadApiError} `no-endpoint`, `invalid-endpoint`, `unknown-option`, `invalid-option` */
  constructor(options: WorkloadApiClientOptions = {}) {
    reader.assertKnown('WorkloadApiClient', options, ['address', 'backoff', 'clock', 'random'])
    this.#options = options
    this.#clock = options.clock ?? Date.now
    this.#retryPolicy()
    this.#channel = new Channel(findEndpointAddress(options.address))
    this.#wit = new WitProfile(this.#channel)
  }

  get address(): EndpointAddress {
    return this.#channel.address
  }

  /**
   * Fetches the X.509-SVIDs of this workload and the bundles to verify peers against.
   * One call: it is not repeated when it fails, nor when the default identity is `not-yet-valid`.
   * @throws {@link WorkloadApiError} `unknown-option`, `invalid-option`, `timeout`, `aborted`, `closed`, or why the call
   * or its message was refused
   */
  fetchX509Context(options: FetchOptions = {}): Promise<X509Context> {
    return this.#fetch(this.#openX509Contexts, options)
  }

  /**
   * Yields the same now and after each change, without end: it opens the stream again when that ends.
   * An SVID that is not valid yet is reported to `onProblem` and yielded once it is valid; if it is the
   * default identity, the whole context waits for it.
   * @throws {@link WorkloadApiError} `aborted`, `closed`, `invalid-request` or `internal`, which alone end the iteration
   */
  watchX509Context(options: ClientWatchOptions = {}): AsyncGenerator<X509Context, void> {
    return this.#watchX509Context(options)
  }

  /**
   * Fetches the bundles to verify peers against, without an SVID. One call, like `fetchX509Context`.
   * @throws {@link WorkloadApiError} as `fetchX509Context`
   */
  fetchX509Bundles(options: FetchOptions = {}): Promise<BundleSet> {
    return this.#fetch(this.#openX509Bundles, options)
  }

  /**
   * Yields the bundles now and after each change, like `watchX509Context`.
   * @throws {@link WorkloadApiError}
   */
  watchX509Bundles(options: ClientWatchOptions = {}): AsyncGenerator<BundleSet, void> {
    return this.#watch(this.#openX509Bundles, options)
  }

  /**
   * Fetches JWT-SVIDs: of the identity that is named, or of all; the first is the default identity. One call, and
   * nothing is kept: `JwtSource` caches and renews.
   * @throws {@link WorkloadApiError} as `fetchX509Context`
   */
  async fetchJwtSvids(request: Omit<JwtSvidRequest, 'hint'>): Promise<readonly JwtSvid[]> {
    const wanted = readTokenRequest(request)
    return this.#inScope(request, undefined, async ({ signal }) => {
      return (await fetchJwtSvids(this.#channel, wanted, this.#clock, signal)).value
    })
  }

  /**
   * Fetches the JWT bundles to verify JWT-SVIDs against. One call, like `fetchX509Context`.
   * @throws {@link WorkloadApiError} as `fetchX509Context`
   */
  fetchJwtBundles(options: FetchOptions = {}): Promise<BundleSet<JwtBundle>> {
    return this.#fetch(this.#openJwtBundles(), options)
  }

  /**
   * Yields the JWT bundles now and after each change, like `watchX509Context`.
   * @throws {@link WorkloadApiError}
   */
  watchJwtBundles(options: ClientWatchOptions = {}): AsyncGenerator<BundleSet<JwtBundle>, void> {
    return this.#watch(this.#openJwtBundles(), options)
  }

  /**
   * Asks the agent whether it accepts a token of somebody else. **It is the agent that decides**: nothing is verified in
   * this process. To do that: `JwtSvidVerifier` of `@fastify-spiffe/spiffe/jwt-svid`.
   * @throws {@link WorkloadApiError} `unknown-option`, `invalid-option`, `closed`, `aborted`, `timeout`, or why there was no
   *   answer; a token that the agent refuses is a verdict
   */
  validateJwtSvidByAgent(token: string, options: AgentValidationOptions): Promise<AgentJwtVerdict> {
    return askAgent(this.#channel, this.#closing.signal, token, options)
  }

  /**
   * Fetches WIT-SVIDs, an incubating kind that is bound to a key: of the identity that is named, or of all. One call.
   * An endpoint that does not have them, such as SPIRE's today, is asked once, and the answer is remembered.
   * @throws {@link WorkloadApiError} `unimplemented`, or as `fetchX509Context`
   */
  fetchWitSvids(options: WitFetchOptions = {}): Promise<readonly WitSvid[]> {
    return this.#inScope(options, ['spiffeId', 'signal', 'timeoutMs'], (scope) =>
      this.#wit.fetchSvids(readSpiffeId(options.spiffeId)?.toString() ?? '', scope),
    )
  }

  /**
   * Fetches the bundles for WIT-SVIDs: JSON Web Key Sets as they came, by the name of their trust domain. As
   * {@link fetchWitSvids}.
   * @throws {@link WorkloadApiError} `unimplemented`, or as `fetchX509Context`
   */
  fetchWitBundles(options: FetchOptions = {}): Promise<ReadonlyMap<string, string>> {
    return this.#inScope(options, ['signal', 'timeoutMs'], (scope) => this.#wit.fetchBundles(scope))
  }

  /** Ends all calls with `closed`, and the connection with them. Safe to call twice. */
  async close(): Promise<void> {
    this.#closing.abort(new WorkloadApiError('closed', 'the client is closed'))
    this.#channel.close()
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  readonly #openX509Contexts: Open<X509Context> = (signal) =>
    receiveX509Contexts(this.#channel, this.#clock, signal)

  readonly #openX509Bundles: Open<BundleSet> = (signal) => receiveX509Bundles(this.#channel, signal)

  /** Makes a call that ends with the signal of the caller, the time, or the client. */
  async #inScope<T>(
    options: FetchOptions,
    known: readonly string[] | undefined,
    call: (scope: CallScope) => Promise<T>,
  ): Promise<T> {
    if (known !== undefined) reader.assertKnown('a fetch', options, known)
    const { signal, timeoutMs = 30_000 } = options
    const scope = new CallScope({ signal, owner: this.#closing.signal, timeoutMs })
    try {
      return await call(scope)
    } catch (error) {
      throw toWorkloadApiError(error)
    } finally {
      scope.release()
    }
  }

  #openJwtBundles(): Open<BundleSet<JwtBundle>> {
    const bundles = new JwtBundleReader()
    return (signal) => receiveJwtBundles(this.#channel, bundles, signal)
  }

  #fetch<T>(open: Open<T>, options: FetchOptions): Promise<T> {
    return this.#inScope(options, ['signal', 'timeoutMs'], async ({ signal }) => {
      const received = await firstOf(open(signal))
      if (received.ok) return received.message.value
      throw received.error
    })
  }

  async *#watchX509Context(options: ClientWatchOptions): AsyncGenerator<X509Context, void> {
    reader.assertKnown('a watch', options, ['signal', 'onProblem'])
    const { signal, onProblem = () => {} } = options
    const scope = new CallScope({ signal, owner: this.#closing.signal })
    const open = (stream: AbortSignal) => receiveX509Reviews(this.#channel, this.#clock, stream)
    const retry = this.#retryPolicy()
    try {
      const times = { clock: this.#clock, signal: scope.signal }
      const events = reviewed((ended) => watch(open, { retry, signal: ended }), times)
      for await (const event of events) {
        if (event.type === 'message' || event.type === 'reviewed') {
          for (const { error } of event.message.problems) onProblem(error)
          const { value } = event.message
          if (value.svids[0]?.wait === null) yield presentContext(value)
        } else if (event.error !== null) {
          onProblem(event.error)
        }
      }
    } finally {
      scope.release()
    }
  }

  async *#watch<T>(open: Open<T>, options: ClientWatchOptions): AsyncGenerator<T, void> {
    reader.assertKnown('a watch', options, ['signal', 'onProblem'])
    const { signal, onProblem = () => {} } = options
    const scope = new CallScope({ signal, owner: this.#closing.signal })
    try {
      for await (const event of watch(open, { retry: this.#retryPolicy(), signal: scope.signal })) {
        if (event.type === 'message') {
          for (const { error } of event.message.problems) onProblem(error)
          yield event.message.value
        } else if (event.error !== null) {
          onProblem(event.error)
        }
      }
    } finally {
      scope.release()
    }
  }

  #retryPolicy(): RetryPolicy {
    return new RetryPolicy(this.#options.backoff, this.#options.random)
  }
}
