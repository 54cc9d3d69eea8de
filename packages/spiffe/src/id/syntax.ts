import { quote } from './quote.ts'

/** SPIFFE-ID §2.1. */
export const SCHEME = 'spiffe://'

/** SPIFFE-ID §2.3: the longest trust domain name. All legal characters are one byte long. */
export const MAX_TRUST_DOMAIN_BYTES = 255

/** SPIFFE-ID §2.3: the longest SPIFFE ID that all implementations must support, and the longest that we accept. */
export const MAX_SPIFFE_ID_BYTES = 2048

/** SPIFFE-ID §2.1: lower-case letters, digits, dot, hyphen and underscore. */
export function isTrustDomainCharacter(code: number): boolean {
  return (
    (code >= 0x61 && code <= 0x7a) ||
    (code >= 0x30 && code <= 0x39) ||
    code === 0x2d ||
    code === 0x2e ||
    code === 0x5f
  )
}

/** SPIFFE-ID §2.2: as in a trust domain, and upper-case letters. */
export function isSegmentCharacter(code: number): boolean {
  return isTrustDomainCharacter(code) || (code >= 0x41 && code <= 0x5a)
}

/** The rule that `name` breaks as a trust domain name; `null` when it breaks none. */
export function trustDomainFault(name: string): string | null {
  if (name === '') return 'the trust domain must not be empty'
  if (name.length > MAX_TRUST_DOMAIN_BYTES) {
    return `the trust domain must not be longer than ${MAX_TRUST_DOMAIN_BYTES} bytes`
  }
  const index = indexOfIllegal(name, isTrustDomainCharacter)
  if (index === -1) return null
  return (
    reservedCharacterFault(name, index) ??
    `the trust domain may have only a-z, 0-9, ".", "-" and "_", not ${characterAt(name, index)}`
  )
}

/** The rule that `segment` breaks as one segment of a path; `null` when it breaks none. */
export function segmentFault(segment: string): string | null {
  if (segment === '') return 'the path must have no empty segment and no trailing "/"'
  if (segment === '.' || segment === '..') return 'the path must not have "." or ".." as a segment'
  const index = indexOfIllegal(segment, isSegmentCharacter)
  if (index === -1) return null
  return (
    reservedCharacterFault(segment, index) ??
    `a path segment may have only a-z, A-Z, 0-9, ".", "-" and "_", not ${characterAt(segment, index)}`
  )
}

/** The parts of a SPIFFE ID, or the rule that it breaks. */
export function splitSpiffeId(text: string): SpiffeIdParts | SpiffeIdFault {
  if (text.length > MAX_SPIFFE_ID_BYTES) {
    return { fault: `it must not be longer than ${MAX_SPIFFE_ID_BYTES} bytes` }
  }
  if (!text.startsWith(SCHEME)) return { fault: `it must start with "${SCHEME}", in lower case` }
  const { name, path, segments } = cut(text)
  let fault = trustDomainFault(name)
  for (let i = 0; fault === null && i < segments.length; i++) fault = segmentFault(segments[i]!)
  return fault === null ? { fault, name, path, segments } : { fault }
}

/** Splits a text that starts with the scheme at every `/` of its path, without checking the parts. */
export function cut(text: string): Omit<SpiffeIdParts, 'fault'> {
  const slash = text.indexOf('/', SCHEME.length)
  if (slash === -1) return { name: text.slice(SCHEME.length), path: '', segments: [] }
  const path = text.slice(slash)
  return { name: text.slice(SCHEME.length, slash), path, segments: path.slice(1).split('/') }
}

export interface SpiffeIdFault {
  readonly fault: string
}

export interface SpiffeIdParts {
  readonly fault: null
  readonly name: string
  readonly path: string
  readonly segments: readonly string[]
}

function indexOfIllegal(text: string, isLegal: (code: number) => boolean): number {
  for (let i = 0; i < text.length; i++) {
    if (!isLegal(text.charCodeAt(i))) return i
  }
  return -1
}

/** SPIFFE-ID §2: what a URI may have, but a SPIFFE ID must not. */
function reservedCharacterFault(text: string, index: number): string | null {
  switch (text.charAt(index)) {
    case '?':
    case '#':
      return 'it must not have a query or a fragment'
    case '@':
    case ':':
      return 'it must not have userinfo or a port'
    case '%':
      return 'it must not have percent-encoding'
    default:
      return null
  }
}

function characterAt(text: string, index: number): string {
  return quote(String.fromCodePoint(text.codePointAt(index)!))
}
