/** No refresh hint makes it sooner than this. */
const MIN_HINT_MS = 60_000
/** The first wait after a fault of the network. */
const BASE_BACKOFF_MS = 1000

/** What decides when to ask next. */
export interface ScheduleInput {
  readonly minRefreshMs: number
  readonly maxRefreshMs: number
  /** The shortest hint of the bundles that are held. */
  readonly refreshHintMs: number | null
  /** How many refreshes have failed in a row because the repository did not answer; 0 after any other outcome. */
  readonly networkFailures: number
  /** From 0 to 1. */
  readonly random: number
}

/**
 * How long to wait until the next refresh, in ms: anything between the two limits, so that a thousand clients do not come
 * at once. A hint makes it sooner, never later. After a fault of the network it is a second, then up to twice as long each
 * time; a bad signature does not get better by asking at once.
 */
export function nextDelay(input: ScheduleInput): number {
  const { minRefreshMs, maxRefreshMs, refreshHintMs, networkFailures, random } = input
  const regular = minRefreshMs + random * (maxRefreshMs - minRefreshMs)
  if (networkFailures > 0) {
    const longest = BASE_BACKOFF_MS * 2 ** Math.min(networkFailures, 30)
    return Math.min(Math.max(BASE_BACKOFF_MS, random * longest), regular)
  }
  if (refreshHintMs === null) return Math.round(regular)
  return Math.round(Math.min(regular, Math.max(MIN_HINT_MS, refreshHintMs)))
}
