import { SpiffeError } from '../errors.ts'
import type { Parsed, SpiffeErrorCode } from '../errors.ts'

/** A broken rule. The caller throws it as an error, or returns it. */
export class Fault {
  readonly code: SpiffeErrorCode
  readonly message: string

  constructor(code: SpiffeErrorCode, message: string) {
    this.code = code
    this.message = message
  }
}

/** The result of a `parse`: throws a fault. */
export function orThrow<T>(outcome: T | Fault): T {
  if (outcome instanceof Fault) throw new SpiffeError(outcome.code, outcome.message)
  return outcome
}

/** The result of a `safeParse`. Its error has no stack trace, because peers can cause many of them. */
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
