import { SpiffeError } from '../errors.ts'
import { quote } from '../id/quote.ts'

/** The error for a pattern that breaks a rule of its language. */
export function invalidPattern(pattern: unknown, rule: string): SpiffeError {
  return new SpiffeError('invalid-pattern', `invalid pattern ${quote(pattern)}: ${rule}`)
}
