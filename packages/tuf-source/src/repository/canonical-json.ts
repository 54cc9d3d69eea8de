import { TufError } from '../errors.ts'

/**
 * The octets that a signature is over: OLPC canonical JSON (TUF specification §4.2). Keys are sorted, nothing is between
 * the tokens, and only the quotation mark and the backslash are escaped.
 *
 * @throws {@link TufError} `invalid-repository` for a number that is not whole
 */
export function canonicalJson(value: unknown): string {
  if (typeof value === 'string') return `"${value.replaceAll(/["\\]/g, String.raw`\$&`)}"`
  if (Array.isArray(value)) return `[${value.map((each) => canonicalJson(each)).join(',')}]`
  if (typeof value === 'object' && value !== null) {
    const members = Object.entries(value).toSorted(([a], [b]) => (a < b ? -1 : 1))
    return `{${members.map(([name, each]) => `${canonicalJson(name)}:${canonicalJson(each)}`).join(',')}}`
  }
  const isPlain = value === null || typeof value === 'boolean' || Number.isSafeInteger(value)
  if (isPlain) return String(value)
  throw new TufError('invalid-repository', 'metadata holds a value that cannot be signed')
}
