import type { SetTimer } from '@fastify-spiffe/spiffe'
import { setUnreferencedTimer } from '@fastify-spiffe/spiffe/internal'

import { WorkloadApiError } from '../errors.ts'
import type { ParsedMessage } from '../messages/parsed-message.ts'
import type { JudgedContext } from '../messages/x509-context.ts'
import type { Review } from './review.ts'
import type { WatchEvent } from './watch.ts'

/** The events of a watch whose messages are judged again as time passes. */
export type ReviewedEvent =
  | WatchEvent<JudgedContext>
  /** No message has come: the last one has another outcome, because of the time. */
  | { readonly type: 'reviewed'; readonly message: ParsedMessage<JudgedContext> }

export interface ReviewOptions {
  readonly clock: () => number
  readonly signal: AbortSignal
  /** Default: timers that do not keep the process alive. */
  readonly setTimer?: SetTimer
}

type Event = WatchEvent<Review>
type Next = IteratorResult<Event, void>

/**
 * Judges the messages of a watch again when an SVID becomes valid that was not valid before. A message
 * that waits is replaced only by one that is good or waits too; `no-identity` removes it.
 *
 * @throws whatever the watch throws
 */
export async function* reviewed(
  watch: (signal: AbortSignal) => AsyncGenerator<Event, void>,
  { clock, signal, setTimer }: ReviewOptions,
): AsyncGenerator<ReviewedEvent, void> {
  // While a review waits, the next event is already requested, so only a signal can end the watch.
  const ending = new AbortController()
  const end = (): void => ending.abort(signal.reason)
  signal.addEventListener('abort', end, { once: true })
  if (signal.aborted) end()
  const events = watch(ending.signal)
  let asked: Promise<Next> | undefined
  let review: Review | undefined
  try {
    for (;;) {
      // Before each event too: a stream that fails again and again would outrun every timer.
      if (review?.isDue(clock()) === true) yield again(review, clock())
      asked ??= ask(events)
      const next = await nextOrTimer(asked, review?.delayAt(clock()), setTimer)
      if (next === 'timer') continue
      asked = undefined
      if (next.done === true) return
      review = latestOf(review, next.value)
      yield read(next.value)
    }
  } finally {
    signal.removeEventListener('abort', end)
    ending.abort(new WorkloadApiError('closed', 'the watch has ended'))
    await asked?.catch(() => undefined)
    await events.return()
  }
}

function ask(events: AsyncGenerator<Event, void>): Promise<Next> {
  const asked = events.next()
  // The consumer may be slow: a rejection must not be unhandled until it asks.
  asked.catch(() => undefined)
  return asked
}

/** Which message is to be reviewed after an event. */
function latestOf(review: Review | undefined, event: Event): Review | undefined {
  if (event.type === 'message') return event.message.value
  if (event.type === 'discarded')
    return review?.isWaiting === true ? review : (event.value ?? review)
  return event.error?.code === 'no-identity' ? undefined : review
}

function read(event: Event): ReviewedEvent {
  if (event.type === 'discarded') return { type: 'discarded', error: event.error }
  if (event.type === 'interrupted') return event
  const { outcome } = event.message.value
  return outcome.ok
    ? { type: 'message', message: outcome.message }
    : { type: 'discarded', error: outcome.error }
}

function again(review: Review, now: number): ReviewedEvent {
  const outcome = review.judge(now)
  if (!outcome.ok) return { type: 'discarded', error: outcome.error }
  // What is wrong with the rest of the message was said when it came.
  return { type: 'reviewed', message: { value: outcome.message.value, problems: [] } }
}

/** The next event, or `timer` when the delay is over before it comes. */
async function nextOrTimer(
  asked: Promise<Next>,
  delayMs: number | undefined,
  setTimer: SetTimer = setUnreferencedTimer,
): Promise<Next | 'timer'> {
  if (delayMs === undefined) return asked
  let cancel: (() => void) | undefined
  const delay = new Promise<'timer'>((resolve) => {
    cancel = setTimer(() => resolve('timer'), delayMs)
  })
  try {
    return await Promise.race([asked, delay])
  } finally {
    cancel?.()
  }
}
