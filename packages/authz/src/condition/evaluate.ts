import { allow, type Decision, deny, failure } from '../decision.ts'
import type { Attributes } from './attributes.ts'
import type { Condition } from './condition.ts'
import { Deadline } from './deadline.ts'

const ALLOWED = allow('allowed')
const FALSE = deny('condition-false')
const NOT_BOOLEAN = deny('condition-not-boolean')
const LATE = deny('condition-timeout')

/** Calls the check once. Never throws and never rejects: what goes wrong refuses. */
export function evaluate(
  check: Condition['check'],
  attributes: Attributes,
  timeoutMs: number,
): Decision | Promise<Decision> {
  const deadline = new Deadline()
  try {
    const answer: unknown = check(attributes, deadline)
    if (!isThenable(answer)) return verdict(answer)
    return deadline.race(Promise.resolve(answer).then(verdict, failed), timeoutMs, LATE)
  } catch (error) {
    return failed(error)
  }
}

/** `true` itself lets in; a truthy value is a mistake in the check, and refuses. */
function verdict(answer: unknown): Decision {
  if (answer === true) return ALLOWED
  return answer === false ? FALSE : NOT_BOOLEAN
}

function failed(error: unknown): Decision {
  return failure('condition-failed', error)
}

function isThenable(answer: unknown): answer is PromiseLike<unknown> {
  return typeof answer === 'object' && answer !== null && 'then' in answer
}
