import type { FastifyRequest } from 'fastify'
import { CERTIFICATES_HEADER, CHAIN_HEADER, type ChainFields } from './wire/headers.ts'
import type { RelayedRequest } from './wire/request-hash.ts'

/** The lines of the two headers. Not `request.headers`, which joins them. */
export function fieldsOf(request: FastifyRequest): ChainFields {
  return {
    chain: headerLines(request, CHAIN_HEADER),
    certificates: headerLines(request, CERTIFICATES_HEADER),
  }
}

/** The request as it came, before Fastify's `rewriteUrl`. */
export function relayedRequestOf(request: FastifyRequest): RelayedRequest {
  return {
    method: request.method,
    target: request.originalUrl,
    contentDigest: contentDigestOf(request),
  }
}

/** The value of `Content-Digest`, of all its lines; empty where the header did not come. */
export function contentDigestOf(request: FastifyRequest): string {
  return headerLines(request, 'content-digest').join(', ')
}

const NONE: readonly string[] = Object.freeze([])

/** The values of a header, one for each field line. */
export function headerLines({ raw, headers }: FastifyRequest, name: string): readonly string[] {
  // Quick for most requests; Node has the name in lower case whenever the header came.
  if (headers[name] === undefined) return NONE
  const { rawHeaders } = raw
  const lines: string[] = []
  for (let index = 0; index + 1 < rawHeaders.length; index += 2) {
    const other = rawHeaders[index]!
    if (other.length === name.length && other.toLowerCase() === name) {
      lines.push(rawHeaders[index + 1]!)
    }
  }
  return lines
}
