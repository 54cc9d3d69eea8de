import { types } from 'node:util'
import { describeCause } from '@fastify-spiffe/spiffe/internal'
import { PolicyError } from '../errors.ts'
import { reasonOf } from './reloadable-policies.ts'

const MAX_LENGTH = 300

/**
 * The error of an interpreter that gives up an evaluation. What it says itself names the place in the policies. What
 * JavaScript says in a built-in function may quote its arguments, and with them the request: `RegExp()` and `JSON.parse()`
 * do. Of that only the kind is shown.
 */
export function evaluationFault(engine: string, cause: unknown): PolicyError {
  const reason = types.isNativeError(cause) ? describeCause(cause) : reasonOf(cause)
  const message = `${engine} failed to evaluate: ${reason.slice(0, MAX_LENGTH)}`
  return new PolicyError('invalid-answer', message)
}
