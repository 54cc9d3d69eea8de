import { describeName, describeValue, unknownOption } from '@fastify-spiffe/spiffe'

import { WorkloadApiError } from './errors.ts'

/** @throws {@link WorkloadApiError} `unknown-option` */
export function checkOptionNames(options: object, known: readonly string[]): void {
  const unknown = unknownOption(options, known)
  if (unknown === undefined) return
  throw new WorkloadApiError(
    'unknown-option',
    `there is no option "${describeName(unknown)}"; there are ${known.join(', ')}`,
  )
}

/** Refuses a duration that is not a whole or broken number of milliseconds within the bounds. */
export function checkDuration(name: string, value: number, minMs: number, maxMs: number): number {
  if (typeof value === 'number' && value >= minMs && value <= maxMs) return value
  throw new WorkloadApiError(
    'invalid-option',
    `${name} must be between ${minMs} and ${maxMs} milliseconds, not ${describeValue(value)}`,
  )
}
