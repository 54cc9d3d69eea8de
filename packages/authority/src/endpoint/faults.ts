import { METHODS, type WorkloadApiMethod } from './service.ts'
import type { CallStatus } from './status.ts'

/** What an endpoint does instead of its duty. */
type Fault =
  | { readonly kind: 'hang' }
  | { readonly kind: 'fail'; readonly status: CallStatus; remaining: number }

/** What a new call gets: an answer, silence or an end. */
export type Treatment = 'answer' | 'hang' | CallStatus

/** The faults of an endpoint, one at a time for each method. */
export class Faults {
  readonly #faults = new Map<WorkloadApiMethod, Fault>()

  hang(method?: WorkloadApiMethod): void {
    for (const each of methodsOf(method)) this.#faults.set(each, { kind: 'hang' })
  }

  /** The next `times` calls end with `status`. */
  fail(status: CallStatus, times: number, method?: WorkloadApiMethod): void {
    for (const each of methodsOf(method)) {
      this.#faults.set(each, { kind: 'fail', status, remaining: times })
    }
  }

  clear(method?: WorkloadApiMethod): void {
    for (const each of methodsOf(method)) this.#faults.delete(each)
  }

  /** Whether streams that are open get no updates. */
  isHanging(method: WorkloadApiMethod): boolean {
    return this.#faults.get(method)?.kind === 'hang'
  }

  /** How to treat a call that begins; a failure is used up by it. */
  treat(method: WorkloadApiMethod): Treatment {
    const fault = this.#faults.get(method)
    if (fault === undefined) return 'answer'
    if (fault.kind === 'hang') return 'hang'
    fault.remaining -= 1
    if (fault.remaining <= 0) this.#faults.delete(method)
    return fault.status
  }
}

/** One method, or all of them. */
export function methodsOf(method: WorkloadApiMethod | undefined): readonly WorkloadApiMethod[] {
  return method === undefined ? METHODS : [method]
}
