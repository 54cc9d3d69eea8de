import type { WorkloadApiError } from '../errors.ts'
import { toWorkloadApiError } from '../errors.ts'
import type { ParsedMessage } from '../messages/parsed-message.ts'
import { judgeX509Message } from '../messages/x509-context.ts'
import type { JudgedContext } from '../messages/x509-context.ts'
import type { X509Message } from '../messages/x509-message.ts'

/** How often the clock is read while it matters: a timer may be late, and the clock may be set. */
const TICK_MS = 1_000

/** A message, judged at one time, or why it is discarded. */
export type Outcome =
  | { readonly ok: true; readonly message: ParsedMessage<JudgedContext> }
  | { readonly ok: false; readonly error: WorkloadApiError }

/**
 * A message of a watch, which is judged again when that may give another outcome: when an SVID becomes
 * valid, and when the clock was set back to before the time at which an SVID was found expired.
 */
export class Review {
  readonly #message: X509Message
  #outcome: Outcome
  #judgedAt: number

  constructor(message: X509Message, now: number) {
    this.#message = message
    this.#judgedAt = now
    this.#outcome = judge(message, now)
  }

  get outcome(): Outcome {
    return this.#outcome
  }

  judge(now: number): Outcome {
    this.#judgedAt = now
    this.#outcome = judge(this.#message, now)
    return this.#outcome
  }

  /** Whether an SVID of the message is not valid yet. */
  get isWaiting(): boolean {
    return this.#dueAt < Infinity
  }

  isDue(now: number): boolean {
    return now >= this.#dueAt || (this.#hasRefused && now < this.#judgedAt)
  }

  /** In how many ms to ask {@link isDue}; `undefined` when nothing can change. */
  delayAt(now: number): number | undefined {
    if (!this.isWaiting && !this.#hasRefused) return undefined
    const left = Math.ceil(this.#dueAt - now)
    return left >= 1 && left < TICK_MS ? left : TICK_MS
  }

  /** When the next SVID becomes valid. */
  get #dueAt(): number {
    if (!this.#outcome.ok) return Infinity
    const { svids } = this.#outcome.message.value
    return Math.min(...svids.map(({ wait }) => wait?.validFrom ?? Infinity))
  }

  /** Whether an SVID was refused that may be accepted at another time. */
  get #hasRefused(): boolean {
    if (!this.#outcome.ok) return true
    return this.#outcome.message.value.svids.length < this.#message.own.length
  }
}

function judge(message: X509Message, now: number): Outcome {
  try {
    return { ok: true, message: judgeX509Message(message, now) }
  } catch (error) {
    return { ok: false, error: toWorkloadApiError(error) }
  }
}
