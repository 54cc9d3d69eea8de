import type { IncomingHttpHeaders } from 'node:http'
import { FetchFailure } from '../errors.ts'
import { request, type EndpointResponse, type RequestParts } from './request.ts'
import { endpointUrlFault } from './url.ts'

/** What the endpoint called the bundle that it sent last (RFC 9110 §8.8.3), and where. */
export interface Validator {
  readonly url: string
  readonly etag: string
}

/** What a fetch has found. */
export type Fetched =
  | { readonly type: 'body'; readonly body: Buffer; readonly validator: Validator | undefined }
  /** The bundle is the one that has the validator. */
  | { readonly type: 'unchanged' }

/** What a fetch needs besides the URL. */
export interface FetchParts extends Omit<RequestParts, 'etag'> {
  readonly validator: Validator | undefined
}

const MAX_REDIRECTS = 5
const REDIRECTS: ReadonlySet<number> = new Set([301, 302, 303, 307, 308])
const ETAG = /^(?:W\/)?"[\x21\x23-\x7e]{0,1024}"$/

/**
 * Fetches what is at `url`, and follows redirects: to URLs that an endpoint may have, over the same agent, which proves
 * each of the servers in the same way (SPIFFE Federation §5.2.1.4, §5.2.2.4). None is remembered.
 * @throws {@link FetchFailure} as {@link request}, and `unexpected-status`, `invalid-redirect`
 */
export async function fetchBundle(url: URL, parts: FetchParts): Promise<Fetched> {
  const { validator } = parts
  let target = url
  for (let hops = 0; hops <= MAX_REDIRECTS; hops++) {
    // One that another URL gave means nothing here.
    const etag = validator?.url === target.href ? validator.etag : undefined
    const response = await request(target, { ...parts, etag })
    if (!REDIRECTS.has(response.status)) return received(response, target, etag)
    target = redirectTarget(response.headers.location, target)
  }
  throw new FetchFailure('invalid-redirect', `there are more than ${MAX_REDIRECTS} redirects`)
}

function received(
  { status, headers, body }: EndpointResponse,
  { href }: URL,
  etag: string | undefined,
): Fetched {
  if (status === 200) return { type: 'body', body, validator: validatorOf(headers, href) }
  if (status === 304 && etag !== undefined) return { type: 'unchanged' }
  throw new FetchFailure('unexpected-status', `the endpoint answered with status ${status}`)
}

function validatorOf({ etag }: IncomingHttpHeaders, url: string): Validator | undefined {
  return etag !== undefined && ETAG.test(etag) ? { url, etag } : undefined
}

function redirectTarget(location: string | undefined, from: URL): URL {
  if (location === undefined) {
    throw new FetchFailure('invalid-redirect', 'a redirect of the endpoint has no location')
  }
  // A fragment is not sent anyway (RFC 9110 §7.1).
  const text = absolute(location.replace(/#.*$/s, ''), from)
  const fault = endpointUrlFault(text)
  if (fault === undefined) return new URL(text)
  throw new FetchFailure('invalid-redirect', `the URL of a redirect ${fault}`)
}

/** RFC 3986 §5: what has a scheme or a host is left as it was sent, because a parser would repair it. */
function absolute(location: string, from: URL): string {
  const isPlain = /^[\x21-\x7e]*$/.test(location) && !location.includes('\\')
  if (!isPlain || /^[a-z][a-z\d+.-]*:/i.test(location)) return location
  if (location.startsWith('//')) return `${from.protocol}${location}`
  return URL.canParse(location, from.href) ? new URL(location, from.href).href : location
}
