import type { Decision } from './decision.ts'
import { type CheckContext, Deadline } from '../deadline.ts'
import type { Verdicts } from './outcomes.ts'

/** Asks once. Never throws and never rejects: what goes wrong refuses. */
export function evaluate(
  ask: (context: CheckContext) => unknown,
  timeoutMs: number,
  verdicts: Verdicts,
): Decision | Promise<Decision> {
  const deadline = new Deadline()
  try {
    const answer = ask(deadline)
    if (!isThenable(answer)) return verdict(answer, verdicts)
    const settled = Promise.resolve(answer).then((it) => verdict(it, verdicts), verdicts.failed)
    return deadline.race(settled, timeoutMs, verdicts.late)
  } catch (error) {
    return verdicts.failed(error)
  }
}

/** `true` itself lets in; a truthy value is a mistake of whoever was asked, and refuses. */
function verdict(answer: unknown, verdicts: Verdicts): Decision {
  if (answer === true) return verdicts.allowed
  return answer === false ? verdicts.refused : verdicts.notBoolean
}

/** Whether an answer has to be awaited. */
export function isThenable(answer: unknown): answer is PromiseLike<unknown> {
  return typeof answer === 'object' && answer !== null && 'then' in answer
}
