import type { Decision } from './decision.ts'
import { type CheckContext, Deadline } from '../deadline.ts'
import type { Outcomes } from './outcomes.ts'

/** Asks once. Never throws and never rejects: what goes wrong refuses. */
export function evaluate(
  ask: (context: CheckContext) => unknown,
  timeoutMs: number,
  outcomes: Outcomes,
): Decision | Promise<Decision> {
  const deadline = new Deadline()
  try {
    const answer = ask(deadline)
    if (!isThenable(answer)) return verdict(answer, outcomes)
    const settled = Promise.resolve(answer).then((it) => verdict(it, outcomes), outcomes.failed)
    return deadline.race(settled, timeoutMs, outcomes.timedOut)
  } catch (error) {
    return outcomes.failed(error)
  }
}

/** Only `true` itself allows; any other truthy value is a mistake of the check, and refuses. */
function verdict(answer: unknown, outcomes: Outcomes): Decision {
  if (answer === true) return outcomes.allowed
  return answer === false ? outcomes.refused : outcomes.notBoolean
}

/** Whether an answer has to be awaited. */
export function isThenable(answer: unknown): answer is PromiseLike<unknown> {
  return typeof answer === 'object' && answer !== null && 'then' in answer
}
