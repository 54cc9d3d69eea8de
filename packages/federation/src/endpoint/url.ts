/** Why a text is not the URL of a bundle endpoint, as the end of a sentence; `undefined` when it is one. */
export function endpointUrlFault(text: unknown): string | undefined {
  if (typeof text !== 'string') return 'must be a string'
  if (text.length > MAX_LENGTH) return `must have at most ${MAX_LENGTH} characters`
  // A URL parser drops some of these, and takes a backslash for a slash.
  if (!PRINTABLE.test(text) || text.includes('\\')) return 'must be printable ASCII without spaces'
  const match = ABSOLUTE.exec(text)
  // SPIFFE Federation §5.2.1.1, §5.2.2.1: https, and nothing before the host.
  if (match === null) return 'must begin with https:// and a host'
  if (match[1]?.includes('@') === true) return 'must have no user information'
  if (text.includes('#')) return 'must have no fragment'
  return URL.canParse(text) ? undefined : 'must be a URL'
}

const MAX_LENGTH = 2048
const PRINTABLE = /^[\x21-\x7e]*$/
const ABSOLUTE = /^https:\/\/([^/?#]+)/i
