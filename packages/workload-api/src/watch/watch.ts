import { setTimeout as sleep } from 'node:timers/promises'

import { toWorkloadApiError } from '../errors.ts'
import type { WorkloadApiError } from '../errors.ts'
import type { ParsedMessage } from '../messages/parsed-message.ts'
import type { RetryPolicy } from './retry-policy.ts'

/** What a stream brings: a good message, or why a message was discarded. */
export type Received<T> =
  | { readonly ok: true; readonly message: ParsedMessage<T> }
  /** With what was read of it, where another time may let it pass. */
  | { readonly ok: false; readonly error: WorkloadApiError; readonly value?: T }

/** An event of a watch. */
export type WatchEvent<T> =
  | { readonly type: 'message'; readonly message: ParsedMessage<T> }
  /** A message was discarded; the stream goes on. */
  | { readonly type: 'discarded'; readonly error: WorkloadApiError; readonly value?: T }
  /** The stream ended; `null` when cleanly. It is opened again after `retryInMs`. */
  | {
      readonly type: 'interrupted'
      readonly error: WorkloadApiError | null
      readonly retryInMs: number
    }

export interface WatchOptions {
  readonly retry: RetryPolicy
  readonly signal: AbortSignal
  /** Waits for so many milliseconds, or until the signal aborts. */
  readonly wait?: (ms: number, signal: AbortSignal) => Promise<void>
}

/**
 * Keeps a stream open without end: opens it again at once after a clean end, and after a growing wait
 * when it fails.
 *
 * @throws the signal's reason, or {@link WorkloadApiError} `invalid-request` or `internal`, which are not retried
 */
export async function* watch<T>(
  open: (signal: AbortSignal) => AsyncIterable<Received<T>>,
  { retry, signal, wait = pause }: WatchOptions,
): AsyncGenerator<WatchEvent<T>, void> {
  for (;;) {
    const openedAt = performance.now()
    let succeeded = false
    let error: WorkloadApiError | null = null
    try {
      for await (const received of open(signal)) {
        if (received.ok) {
          succeeded = true
          retry.reset()
          yield { type: 'message', message: received.message }
        } else {
          yield { ...received, type: 'discarded' }
        }
      }
    } catch (cause) {
      signal.throwIfAborted()
      error = toWorkloadApiError(cause)
      // Workload Endpoint §6: a client does not retry after InvalidArgument. An unexpected error is not a
      // failed call: it would fail again.
      if (error !== cause || error.code === 'invalid-request') throw error
    }
    const retryInMs =
      error === null && succeeded
        ? retry.afterCleanEnd(performance.now() - openedAt)
        : retry.afterFailure(error)
    yield { type: 'interrupted', error, retryInMs }
    await wait(retryInMs, signal)
  }
}

async function pause(ms: number, signal: AbortSignal): Promise<void> {
  try {
    await sleep(ms, undefined, { signal })
  } catch (error) {
    signal.throwIfAborted()
    throw error
  }
}
