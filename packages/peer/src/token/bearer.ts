import type { IncomingHttpHeaders, IncomingMessage } from 'node:http'
import type { Http2ServerRequest } from 'node:http2'

/** What a request says in `Authorization` by the scheme `Bearer`: nothing, something that cannot be read in one way, or a token. */
export type Bearer =
  | { readonly kind: 'none' }
  | { readonly kind: 'malformed' }
  | { readonly kind: 'token'; readonly token: string }

type RawRequest = IncomingMessage | Http2ServerRequest

/** RFC 6750 §2.1: `"Bearer" 1*SP b64token`. RFC 9110 §11.1: the case of a scheme does not matter. */
const CREDENTIALS = /^bearer +([\w\-.~+/]+=*)$/i
/** The scheme, and not one of which it is the beginning (RFC 9110 §5.6.2). */
const SCHEME = /^bearer(?![\w!#$%&'*+.^`|~-])/i

const NONE: Bearer = { kind: 'none' }
const MALFORMED: Bearer = { kind: 'malformed' }

const slot: unique symbol = Symbol('spiffe.bearer')

/**
 * Takes the token of a request, which the request has no more afterwards: neither a handler nor a log that writes headers can
 * give it away. Called again, it returns the same. The header occurs once, or its value is malformed; a token anywhere else, such
 * as in the query (RFC 6750 §2.2, §2.3), is not looked for. A value of another scheme stays what and where it is.
 */
export function takeBearer(raw: RawRequest): Bearer {
  const request = raw as RawRequest & { [slot]?: Bearer }
  return (request[slot] ??= take(raw))
}

function take({ headers, rawHeaders }: RawRequest): Bearer {
  const places = placesOf(rawHeaders)
  const [place] = places
  if (place === undefined) return NONE
  const value = rawHeaders[place] ?? ''
  if (places.length === 1 && !SCHEME.test(value)) return NONE
  remove(headers, rawHeaders, places)
  const token = places.length === 1 ? CREDENTIALS.exec(value)?.[1] : undefined
  return token === undefined ? MALFORMED : { kind: 'token', token }
}

/** Where the values of `Authorization` stand. `headers` would have the first of several, or all as one. */
function placesOf(rawHeaders: readonly string[]): readonly number[] {
  const places: number[] = []
  for (let index = 0; index < rawHeaders.length; index += 2) {
    const name = rawHeaders[index]
    if (name?.length === 13 && name.toLowerCase() === 'authorization') places.push(index + 1)
  }
  return places
}

function remove(
  headers: IncomingHttpHeaders,
  rawHeaders: string[],
  places: readonly number[],
): void {
  delete headers.authorization
  // Node reads the list again for `headersDistinct`, by its length: the name stays.
  for (const place of places) rawHeaders[place] = ''
}
