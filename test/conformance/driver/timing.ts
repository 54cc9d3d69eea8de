import { setTimeout as sleep } from 'node:timers/promises'

/** How far two looks at the harness are apart. */
const LOOK_MS = 25

/**
 * Looks again and again until it sees what it waits for.
 * @throws what `late` makes of the last look, after `withinMs`
 */
export async function until<T, Wanted extends T>(
  look: () => Promise<T> | T,
  isWanted: (seen: T) => seen is Wanted,
  withinMs: number,
  late: (seen: T) => Error,
): Promise<Wanted>
export async function until<T>(
  look: () => Promise<T> | T,
  isWanted: (seen: T) => boolean,
  withinMs: number,
  late: (seen: T) => Error,
): Promise<T>
export async function until<T>(
  look: () => Promise<T> | T,
  isWanted: (seen: T) => boolean,
  withinMs: number,
  late: (seen: T) => Error,
): Promise<T> {
  const end = performance.now() + withinMs
  for (;;) {
    const seen = await look()
    if (isWanted(seen)) return seen
    if (performance.now() >= end) throw late(seen)
    await sleep(LOOK_MS)
  }
}

/** Looks again and again for a time; what is seen is for `look` to judge. */
export async function during(timeMs: number, look: () => Promise<void>): Promise<void> {
  const end = performance.now() + timeMs
  do {
    await look()
    await sleep(LOOK_MS)
  } while (performance.now() < end)
}

/** The outcome of a promise, or `late` after a time. */
export async function within<T, Late>(
  promise: Promise<T>,
  timeMs: number,
  late: Late,
): Promise<T | Late> {
  const giveUp = new AbortController()
  const timer = sleep(timeMs, late, { signal: giveUp.signal }).catch(() => late)
  try {
    return await Promise.race([promise, timer])
  } finally {
    giveUp.abort()
  }
}
