import { SpiffeError } from '../errors.ts'

/** The largest tolerance for clocks, in ms: five minutes, as Kerberos has it (RFC 4120 §8.2). */
export const MAX_CLOCK_SKEW_MS = 300_000

/** What the time may be at the peer, in ms since the epoch. */
export interface TimeWindow {
  readonly earliest: number
  readonly latest: number
}

export function timeWindow(now: number, clockSkewMs: number): TimeWindow {
  return { earliest: now - clockSkewMs, latest: now + clockSkewMs }
}

/** @throws {@link SpiffeError} `invalid-option` */
export function clockSkewOf({ clockSkewMs = 0 }: { readonly clockSkewMs?: number }): number {
  const isInBounds = clockSkewMs >= 0 && clockSkewMs <= MAX_CLOCK_SKEW_MS
  if (Number.isInteger(clockSkewMs) && isInBounds) return clockSkewMs
  const message = `clockSkewMs must be an integer from 0 to ${MAX_CLOCK_SKEW_MS}`
  throw new SpiffeError('invalid-option', message)
}
