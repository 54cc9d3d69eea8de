import { SpiffeError } from '../errors.ts'
import { quote, quoteId } from '../id/quote.ts'

/** A template of a path: by its length and characters it can hardly be anything else. */
const TEMPLATE = /^\/(?=.*[{*])[\w.{}*/-]{1,200}$/

/** The error for a pattern that breaks a rule of its language. */
export function invalidPattern(pattern: unknown, rule: string): SpiffeError {
  const isTemplate = typeof pattern === 'string' && TEMPLATE.test(pattern)
  const shown = isTemplate ? quote(pattern) : quoteId(pattern)
  return new SpiffeError('invalid-pattern', `invalid pattern ${shown}: ${rule}`)
}
