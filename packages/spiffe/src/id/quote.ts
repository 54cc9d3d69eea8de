import { describeValue } from '../describe.ts'

const MAX_QUOTED = 100

/**
 * Quotes a value from outside for a message: in double quotes, printable ASCII only, and at most one
 * line long. A hostile value can then neither flood a log nor control a terminal.
 */
export function quote(value: unknown): string {
  if (typeof value !== 'string') return describeValue(value)
  const shown = JSON.stringify(value.slice(0, MAX_QUOTED)).replace(/[^\x20-\x7e]/g, escape)
  return value.length > MAX_QUOTED ? `${shown}… (${value.length} characters)` : shown
}

/**
 * Quotes what was given as a SPIFFE ID, a trust domain or a pattern, if it starts like a SPIFFE ID, and without userinfo,
 * query, fragment and further lines. Anything else may be a secret in the wrong place: only its type is named.
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
