import { hash } from 'node:crypto'
import { ChainError } from '../errors.ts'
import { readContentDigest } from './content-digest.ts'

/** A request that passes a relay, as its receiver gets it. */
export interface RelayedRequest {
  /** Such as `POST`. It counts as it is written. */
  readonly method: string
  /** Path and query, as they are on the wire. */
  readonly target: string
  /** The value of the header `Content-Digest` (RFC 9530), as `contentDigest` makes it. Default: the request has no body. */
  readonly contentDigest?: string
}

// RFC 9110 §5.6.2.
const METHOD = /^[\w!#$%&'*+.^`|~-]+$/
const TARGET = /^[\x21-\x7e]+$/

/**
 * Returns what a token has as `req`: SHA-256, since tokens travel on and paths hold personal data. `null` for what no request line
 * can hold: with a line feed it could be read as another request. So it is for a digest that nobody could compare.
 */
export function requestHash({ method, target, contentDigest = '' }: RelayedRequest): string | null {
  const isRequest = [method, target, contentDigest].every((text) => typeof text === 'string')
  if (!isRequest || !METHOD.test(method) || !TARGET.test(target)) return null
  const isDigested = contentDigest === '' || readContentDigest(contentDigest) !== null
  return isDigested ? hash('sha256', `${method}\n${target}\n${contentDigest}`, 'base64url') : null
}

/** @throws {@link ChainError} `invalid-request` */
export function assertRequestHash(request: RelayedRequest): string {
  const req = typeof request === 'object' && request !== null ? requestHash(request) : null
  if (req !== null) return req
  throw new ChainError(
    'invalid-request',
    'the request must have a method, a target and a content digest as on the wire',
  )
}
