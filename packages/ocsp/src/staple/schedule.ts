import { MAX_TIMER_MS } from '@fastify-spiffe/spiffe/internal'
import type { Random } from '../settings.ts'

/** However short the answers of a responder live, it is not asked more often. */
const MIN_DELAY_MS = 10_000
const MAX_RETRY_MS = 3_600_000

/** When an answer is valid, in ms since the epoch. */
export interface Lifetime {
  readonly thisUpdate: number
  readonly nextUpdate: number
}

/**
 * Returns in how many ms to ask again: at half of the lifetime, a tenth of it sooner or later, so that many servers do not
 * ask at once. An answer that is past its half already is renewed at about half of what is left.
 */
export function refreshDelay(
  { thisUpdate, nextUpdate }: Lifetime,
  now: number,
  random: Random,
): number {
  const share = 0.4 + random() * 0.2
  const due = thisUpdate + (nextUpdate - thisUpdate) * share - now
  const left = (nextUpdate - now) * share
  return clamp(due > 0 ? due : left, MIN_DELAY_MS, MAX_TIMER_MS)
}

/**
 * Returns in how many ms to try again after failures: twice as long each time, up to an hour, and then between half of that
 * and all of it.
 * @param failures how many there were in a row, at least 1
 */
export function retryDelay(failures: number, retryMs: number, random: Random): number {
  const longest = Math.min(
    retryMs * 2 ** Math.min(failures - 1, 30),
    Math.max(MAX_RETRY_MS, retryMs),
  )
  return Math.ceil(longest * (0.5 + random() / 2))
}

function clamp(value: number, min: number, max: number): number {
  // Written so that NaN becomes the least.
  return value > min ? Math.min(value, max) : min
}
