import { describeName, describeValue } from './describe.ts'

/** The codes that every package has for its options. */
export type OptionErrorCode = 'unknown-option' | 'invalid-option'

/** The class of a package's errors. */
export type OptionErrorClass = new (code: OptionErrorCode, message: string) => Error

interface Range {
  readonly min: number
  readonly max: number
  /** The value of an option that is left out. Without it, the option is mandatory. */
  readonly defaultValue?: number
}

/**
 * Reads the options of one package, and refuses with its error what they cannot be. A message names the option, what
 * it must be, and what was found: never the value, which may be a key, a token or a password.
 */
export class OptionReader {
  readonly #ErrorClass: OptionErrorClass

  constructor(ErrorClass: OptionErrorClass) {
    this.#ErrorClass = ErrorClass
  }

  /**
   * Refuses an option that does not exist: a misspelt one must not pass for one that is set.
   * @param owner what has the options, such as `peer`
   * @throws `unknown-option`
   */
  assertKnown(owner: string, options: object, known: Iterable<string>): void {
    const name = unknownOption(options, known)
    if (name === undefined) return
    const names = [...known].join(', ')
    const message = `${owner} has no option "${describeName(name)}"; it has ${names}`
    throw new this.#ErrorClass('unknown-option', message)
  }

  /** @throws `invalid-option` */
  asBoolean(key: string, value: boolean | undefined, defaultValue: boolean): boolean {
    return this.read(key, value, defaultValue, isBoolean, 'must be a boolean')
  }

  /** @throws `invalid-option` */
  asFunction<F extends (...args: never[]) => unknown>(
    key: string,
    value: F | undefined,
    defaultValue: F,
  ): F {
    return this.read(key, value, defaultValue, isFunction, 'must be a function')
  }

  /** @throws `invalid-option` */
  asInteger(key: string, value: number | undefined, { min, max, defaultValue }: Range): number {
    const isValid = (given: unknown): boolean =>
      Number.isInteger(given) && isWithin(given, min, max)
    const rule = `must be an integer from ${min} to ${max}`
    return this.read(key, value, defaultValue, isValid, rule)
  }

  /**
   * Reads a duration in milliseconds, fractions included.
   * @throws `invalid-option`
   */
  asDuration(key: string, value: number | undefined, { min, max, defaultValue }: Range): number {
    const isValid = (given: unknown): boolean => isWithin(given, min, max)
    const rule = `must be from ${min} to ${max} milliseconds`
    return this.read(key, value, defaultValue, isValid, rule)
  }

  /** @throws `invalid-option` */
  asOneOf<const T extends string | number | boolean>(
    key: string,
    value: T | undefined,
    allowed: readonly T[],
    defaultValue?: T,
  ): T {
    const list = allowed.map((each) => JSON.stringify(each)).join(' or ')
    const isValid = (given: T): boolean => allowed.includes(given)
    return this.read(key, value, defaultValue, isValid, `must be ${list}`)
  }

  /**
   * Reads a mandatory path.
   * @param rule as in {@link read}
   * @throws `invalid-option`
   */
  asPath(key: string, value: string, rule: string): string {
    return this.read(key, value, undefined, isPath, rule)
  }

  /**
   * Reads an option of any type.
   * @param rule what an invalid value breaks, as the end of a sentence about the option: `must be a path`
   * @throws `invalid-option`
   */
  read<T>(
    key: string,
    value: T | undefined,
    defaultValue: T | undefined,
    isValid: (value: T) => boolean,
    rule: string,
  ): T {
    if (value === undefined && defaultValue !== undefined) return defaultValue
    if (value !== undefined && isValid(value)) return value
    return this.refuse(key, value, rule)
  }

  /**
   * Refuses the value of an option.
   * @param rule what the value breaks, as in {@link read}
   * @throws `invalid-option`
   */
  refuse(key: string, value: unknown, rule: string): never {
    const message = `${key} ${rule} (found: ${describeValue(value)})`
    throw new this.#ErrorClass('invalid-option', message)
  }
}

/** The first name in `options` that is not `known`. */
export function unknownOption(options: object, known: Iterable<string>): string | undefined {
  const names = new Set(known)
  return Object.keys(options).find((name) => !names.has(name))
}

function isBoolean(value: unknown): boolean {
  return typeof value === 'boolean'
}

function isFunction(value: unknown): boolean {
  return typeof value === 'function'
}

/** `node:fs` takes no NUL, and an empty path names nothing. */
function isPath(value: unknown): boolean {
  return typeof value === 'string' && value !== '' && !value.includes('\0')
}

/** Written so that NaN and whatever is not a number are outside. */
function isWithin(value: unknown, min: number, max: number): boolean {
  return typeof value === 'number' && value >= min && value <= max
}
