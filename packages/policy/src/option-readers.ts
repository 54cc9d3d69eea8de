import { describeName, describeValue, MAX_TIMER_MS, unknownOption } from '@fastify-spiffe/spiffe'
import { PolicyError } from './errors.ts'

const MAX_COUNT = 10_000_000

/**
 * Refuses what is not among the known keys. `prefix` stands before the key in the error, which does not show its value:
 * a misspelt `secret` holds one.
 *
 * @throws {PolicyError} `unknown-option`
 */
export function checkKeys(prefix: string, options: object, known: readonly string[]): void {
  const key = unknownOption(options, known)
  if (key === undefined) return
  const message = `option ${prefix}${describeName(key)} is unknown; there are ${known.join(', ')}`
  throw new PolicyError('unknown-option', message)
}

/** Whether this can be a deadline in milliseconds: a timer with a longer delay fires at once. */
export function isTimeout(value: unknown): value is number {
  return typeof value === 'number' && value > 0 && value <= MAX_TIMER_MS
}

/** @throws {PolicyError} `invalid-option` */
export function count(
  key: string,
  value: number | undefined,
  preset: number,
  least: number,
): number {
  const isCount = (it: number): boolean => Number.isInteger(it) && it >= least && it <= MAX_COUNT
  return check(key, value, preset, isCount, `must be an integer from ${least} to ${MAX_COUNT}`)
}

/** @throws {PolicyError} `invalid-option` */
export function duration(key: string, value: number | undefined, preset: number): number {
  return check(key, value, preset, isTimeout, 'must be milliseconds, more than 0')
}

/** @throws {PolicyError} `invalid-option` */
export function callable<T extends () => unknown>(key: string, value: T | undefined, preset: T): T {
  return check(key, value, preset, (it) => typeof it === 'function', 'must be a function')
}

/** @throws {PolicyError} `invalid-option` */
export function flag(key: string, value: boolean | undefined, preset: boolean): boolean {
  return check(key, value, preset, (it) => typeof it === 'boolean', 'must be a boolean')
}

/** @throws {PolicyError} `invalid-option` */
export function check<T>(
  key: string,
  value: T | undefined,
  preset: T,
  isValid: (value: T) => boolean,
  why: string,
): T {
  if (value === undefined) return preset
  return isValid(value) ? value : refuse(key, value, why)
}

/**
 * The value itself stays out of the error: it may be a key, a token or a password.
 *
 * @throws {PolicyError} `invalid-option`
 */
export function refuse(key: string, value: unknown, why: string): never {
  throw new PolicyError('invalid-option', `option ${key}: ${why} (found: ${describeValue(value)})`)
}
