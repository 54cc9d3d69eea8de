import { MAX_TIMER_MS, OptionReader } from '@fastify-spiffe/spiffe/internal'
import { PolicyError } from './errors.ts'

const MAX_COUNT = 10_000_000

const reader: OptionReader = new OptionReader(PolicyError)

/**
 * Refuses an option that does not exist.
 * @param owner what has the options, such as `decisionLog`
 * @throws {@link PolicyError} `unknown-option`
 */
export function assertKnown(owner: string, options: object, known: readonly string[]): void {
  reader.assertKnown(owner, options, known)
}

/** Whether this can be a deadline in milliseconds: a timer with a longer delay fires at once. */
export function isTimeout(value: unknown): value is number {
  return typeof value === 'number' && value > 0 && value <= MAX_TIMER_MS
}

/**
 * Reads an option that is a whole number, from `min` to 10,000,000.
 * @throws {@link PolicyError} `invalid-option`
 */
export function asInteger(
  key: string,
  value: number | undefined,
  defaultValue: number,
  min: number,
): number {
  return reader.asInteger(key, value, { min, max: MAX_COUNT, defaultValue })
}

/**
 * Reads an option in milliseconds, more than 0 and no longer than a timer can wait.
 * @throws {@link PolicyError} `invalid-option`
 */
export function asDuration(key: string, value: number | undefined, defaultValue: number): number {
  return reader.read(key, value, defaultValue, isTimeout, 'must be milliseconds, more than 0')
}

/**
 * Reads an option that is a function.
 * @throws {@link PolicyError} `invalid-option`
 */
export function asFunction<T extends (...args: never[]) => unknown>(
  key: string,
  value: T | undefined,
  defaultValue: T,
): T {
  return reader.asFunction(key, value, defaultValue)
}

/**
 * Reads an option that is `true` or `false`.
 * @throws {@link PolicyError} `invalid-option`
 */
export function asBoolean(key: string, value: boolean | undefined, defaultValue: boolean): boolean {
  return reader.asBoolean(key, value, defaultValue)
}

/**
 * Reads an option of any type.
 * @param rule what an invalid value breaks, such as `must be a path`
 * @throws {@link PolicyError} `invalid-option`
 */
export function readOption<T>(
  key: string,
  value: T | undefined,
  defaultValue: T,
  isValid: (value: T) => boolean,
  rule: string,
): T {
  return value === undefined ? defaultValue : reader.read(key, value, undefined, isValid, rule)
}

/**
 * Refuses the value of an option. The value itself stays out of the error: it may be a key, a token or a password.
 * @throws {@link PolicyError} `invalid-option`
 */
export function refuse(key: string, value: unknown, rule: string): never {
  return reader.refuse(key, value, rule)
}
