/**
 * Sends a request to a responder and returns the body of the answer, of at most `maxBytes`. It must end when `signal`
 * does. It rejects with a {@link TransportError}, or with any other error for a responder that cannot be reached.
 */
export type OcspTransport = (
  url: URL,
  request: Uint8Array,
  options: OcspTransportOptions,
) => Promise<Uint8Array>

/** What a transport has to keep to. */
export interface OcspTransportOptions {
  /** The option `method`. */
  readonly method: 'POST' | 'GET'
  /** How many bytes of the answer are of use: of more, return that many and one. */
  readonly maxBytes: number
  /** Ends when nobody waits for the answer any more. */
  readonly signal: AbortSignal
}

/** Why there was no answer. */
export type TransportFailureCode =
  /** The responder cannot be reached; `message` says why. */
  | 'unreachable'
  /** No complete answer within `timeoutMs`. */
  | 'timeout'
  /** The responder answered with another HTTP status than 200. Redirects are not followed. */
  | 'unexpected-status'
  /** The answer is no OCSP response by its `Content-Type`: a page of a proxy or a portal. */
  | 'unexpected-type'

/** There was no answer. */
export class TransportError extends Error {
  override readonly name = 'TransportError'
  readonly code: TransportFailureCode

  constructor(code: TransportFailureCode, message: string) {
    super(message)
    this.code = code
  }
}
