import { describeName, describeValue, unknownOption } from '@fastify-spiffe/spiffe'
import { AuthorityError } from './errors.ts'

/** @throws {@link AuthorityError} `unknown-option` */
export function checkOptionNames(owner: string, options: object, known: readonly string[]): void {
  const unknown = unknownOption(options, known)
  if (unknown === undefined) return
  throw new AuthorityError(
    'unknown-option',
    `${owner} has no option "${describeName(unknown)}"; it has ${known.join(', ')}`,
  )
}

/** @throws {@link AuthorityError} `invalid-option` when `value` is not a whole number in the range */
export function checkInteger(name: string, value: number, minimum: number, maximum: number): void {
  if (Number.isInteger(value) && value >= minimum && value <= maximum) return
  throw new AuthorityError(
    'invalid-option',
    `${name} must be a whole number from ${minimum} to ${maximum}, not ${describeValue(value)}`,
  )
}
