/** The shortest time from one fetch to the next that is not asked for, in ms. */
const MIN_REFRESH_MS = 60_000
/** The longest one. */
const MAX_REFRESH_MS = 24 * 60 * 60_000
/** SPIFFE Federation §4.1: five minutes where the bundle says nothing. */
const DEFAULT_REFRESH_MS = 5 * 60_000
/** Backoff never makes an interval longer than this, unless it was so from the start. */
const MAX_BACKOFF_MS = 60 * 60_000
const JITTER = 0.1

/** What decides when to fetch next. */
export interface ScheduleInput {
  readonly refreshHintMs: number | null
  /** How many fetches have failed since the last one that did not. */
  readonly failures: number
  /** Whether there is a bundle to go on with. */
  readonly isHeld: boolean
  /** From 0 to 1. */
  readonly random: number
}

/** How long to wait until the next fetch, in ms. */
export function nextDelay({ refreshHintMs, failures, isHeld, random }: ScheduleInput): number {
  const hint = refreshHintMs ?? DEFAULT_REFRESH_MS
  const interval = Math.min(Math.max(hint, MIN_REFRESH_MS), MAX_REFRESH_MS)
  const delay = failures === 0 ? interval : afterFailure(interval, failures, isHeld)
  // Upward, so that no endpoint is asked more often than it wants to be.
  return Math.min(delay * (1 + JITTER * random), MAX_REFRESH_MS)
}

/** SPIFFE Federation §6.2: not before the next interval. Without a bundle there is no interval yet. */
function afterFailure(interval: number, failures: number, isHeld: boolean): number {
  const factor = 2 ** Math.min(failures - 1, 20)
  if (!isHeld) return Math.min(MIN_REFRESH_MS * factor, interval)
  return Math.min(interval * factor, Math.max(interval, MAX_BACKOFF_MS))
}
