/** What one server did in one round of fixed work. */
export interface Round {
  /** Units of work done: requests, or connections. */
  readonly units: number
  /** Wall time of the round, in milliseconds. */
  readonly wallMs: number
  /** CPU time that the server's process used, user and system, in milliseconds. */
  readonly cpuMs: number
}

export interface Spread {
  readonly median: number
  readonly min: number
  readonly max: number
}

export function spread(values: readonly number[]): Spread {
  const sorted = values.toSorted((a, b) => a - b)
  const at = (index: number): number => sorted[index] ?? Number.NaN
  const middle = Math.floor(sorted.length / 2)
  return {
    median: sorted.length % 2 === 1 ? at(middle) : (at(middle - 1) + at(middle)) / 2,
    min: at(0),
    max: at(sorted.length - 1),
  }
}

/** Ratios of neighbours in time: what disturbs the machine disturbs both of a pair. */
export function pairedRatios(
  subject: readonly Round[],
  baseline: readonly Round[],
  measure: (round: Round) => number,
): Spread {
  if (subject.length !== baseline.length) throw new RangeError('rounds must come in pairs')
  return spread(subject.map((round, index) => measure(round) / measure(baseline[index] as Round)))
}

export const cpuPerUnit = (round: Round): number => round.cpuMs / round.units
export const unitsPerSecond = (round: Round): number => (round.units * 1000) / round.wallMs
