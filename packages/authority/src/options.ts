import { inspect } from 'node:util'
import { AuthorityError } from './errors.ts'

/**
 * Refuses options that nobody knows: a misspelt one must not pass for one that is set.
 * @throws {@link AuthorityError} `invalid-option`
 */
export function checkOptionNames(owner: string, options: object, known: readonly string[]): void {
  for (const name of Object.keys(options)) {
    if (known.includes(name)) continue
    throw new AuthorityError(
      'invalid-option',
      `${owner} has no option ${JSON.stringify(name)}; it has ${known.join(', ')}`,
    )
  }
}

/** @throws {@link AuthorityError} `invalid-option` when `value` is not a whole number in the range */
export function checkInteger(name: string, value: number, minimum: number, maximum: number): void {
  if (Number.isInteger(value) && value >= minimum && value <= maximum) return
  throw new AuthorityError(
    'invalid-option',
    `${name} must be a whole number from ${minimum} to ${maximum}, not ${inspect(value)}`,
  )
}
