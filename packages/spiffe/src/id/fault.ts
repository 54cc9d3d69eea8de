import { SpiffeError } from '../errors.ts'
import type { Parsed, SpiffeErrorCode } from '../errors.ts'

/** A broken rule on its way to the caller, who decides whether it is thrown or returned. */
export class Fault {
  readonly code: SpiffeErrorCode
  readonly message: string

  constructor(code: SpiffeErrorCode, message: string) {
    this.code = code
    this.message = message
  }
}

/** The ending of every `parse`. */
export function orThrow<T>(outcome: T | Fault): T {
  if (outcome instanceof Fault) throw new SpiffeError(outcome.code, outcome.message)
  return outcome
}

/** The ending of every `safeParse`. Its error has no stack trace: peers can cause many of them. */
export function asParsed<T>(outcome: T | Fault): Parsed<T> {
  if (!(outcome instanceof Fault)) return { ok: true, value: outcome }
  const { stackTraceLimit } = Error
  Error.stackTraceLimit = 0
  try {
    return { ok: false, error: new SpiffeError(outcome.code, outcome.message) }
  } finally {
    Error.stackTraceLimit = stackTraceLimit
  }
}
