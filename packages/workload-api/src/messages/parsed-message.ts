import type { WorkloadApiError } from '../errors.ts'

/** A part of a message that was left out. */
export interface Problem {
  readonly part: 'svid' | 'bundle'
  readonly error: WorkloadApiError
}

/** What a good message says, and which parts of it were left out because they are not good. */
export interface ParsedMessage<T> {
  readonly value: T
  readonly problems: readonly Problem[]
}
