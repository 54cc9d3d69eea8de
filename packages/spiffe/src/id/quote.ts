import { describeValue } from '../describe.ts'

const MAX_QUOTED = 100

/**
 * Quotes an outside value for a message: in double quotes, printable ASCII only, and no longer than
 * a line, so that a hostile value can neither flood a log nor steer a terminal.
 */
export function quote(value: unknown): string {
  if (typeof value !== 'string') return describeValue(value)
  const shown = JSON.stringify(value.slice(0, MAX_QUOTED)).replace(/[^\x20-\x7e]/g, escape)
  return value.length > MAX_QUOTED ? `${shown}… (${value.length} characters)` : shown
}

/**
 * Quotes what was given for a SPIFFE ID, a trust domain or a pattern, if it begins as a SPIFFE ID does: userinfo, query,
 * fragment and further lines are left out. Anything else may be a secret in the wrong place, and is named by its type.
 */
export function quoteId(value: unknown): string {
  if (typeof value !== 'string') return describeValue(value)
  if (!/^spiffe:\/\//i.test(value)) return `(${describeValue(value)})`
  const plain = value.replace(/^(spiffe:\/\/).*@/is, '$1...@').replace(/[?#\r\n].*$/s, '...')
  return quote(plain)
}

function escape(character: string): string {
  return `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`
}
