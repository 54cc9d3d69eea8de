import { WorkloadApiError, quote } from './errors.ts'

/** Refuses an option that nobody reads: a misspelt one must not be lost in silence. */
export function checkOptionNames(options: object, known: readonly string[]): void {
  for (const name of Object.keys(options)) {
    if (!known.includes(name)) {
      throw new WorkloadApiError(
        'invalid-option',
        `unknown option ${quote(name)}; known are ${known.join(', ')}`,
      )
    }
  }
}

/** Refuses a duration that is not a whole or broken number of milliseconds within the bounds. */
export function checkDuration(name: string, value: number, minMs: number, maxMs: number): number {
  if (typeof value === 'number' && value >= minMs && value <= maxMs) return value
  throw new WorkloadApiError(
    'invalid-option',
    `${name} must be between ${minMs} and ${maxMs} milliseconds, not ${String(value)}`,
  )
}
