import { channel, type Channel } from 'node:diagnostics_channel'
import type { Server, TLSSocket } from 'node:tls'
import type { MinVersion } from '../context/context-options.ts'
import type { RateLimiter } from './rate-limiter.ts'

/**
 * Why a client's TLS handshake failed.
 *
 * - `tls-version`: the client supports no TLS version that the server does.
 * - `plain-http`: the client spoke HTTP without TLS.
 * - `not-tls`: the client sent something else that is not TLS.
 * - `no-application-protocol`: no protocol in common (ALPN), such as HTTP/2.
 * - `no-shared-cipher`: no cipher suite, group or signature algorithm in common.
 * - `handshake-timeout`: the client did not finish within `handshakeTimeoutMs`.
 * - `no-svid`: the server has no SVID to present.
 * - `client-gone`: the client disconnected, as port checks do, and clients that do not trust the server.
 * - `tls-error`: anything else.
 */
export type HandshakeFailureCode =
  | 'tls-version'
  | 'plain-http'
  | 'not-tls'
  | 'no-application-protocol'
  | 'no-shared-cipher'
  | 'handshake-timeout'
  | 'no-svid'
  | 'client-gone'
  | 'tls-error'

/** `spiffe:server:handshake-failed`: the TLS handshake of a client failed, so that it has no certificate to verify. */
export interface HandshakeFailedEvent {
  readonly server: Server
  readonly code: HandshakeFailureCode
  /** Cause and cure; given to ten events a second, together with `spiffe:peer:rejected`, otherwise `null`. */
  readonly message: string | null
  readonly remoteAddress: string | undefined
}

export const handshakeFailed: Channel = channel('spiffe:server:handshake-failed')

export interface HandshakeFailureParts {
  readonly rateLimiter: RateLimiter
  readonly clock: () => number
  readonly minVersion: MinVersion
  readonly hasSvid: () => boolean
}

/** Publishes why the handshake of a client failed: the client itself sees a TLS alert at best. */
export class HandshakeFailures {
  readonly #server: Server
  readonly #parts: HandshakeFailureParts

  constructor(server: Server, parts: HandshakeFailureParts) {
    this.#server = server
    this.#parts = parts
    // Prepended: the acceptor destroys the socket, after which the client's address is gone.
    server.prependListener('tlsClientError', (error, socket) => {
      this.report(this.#codeOf(error), socket)
    })
  }

  report(code: HandshakeFailureCode, { remoteAddress }: TLSSocket): void {
    if (!handshakeFailed.hasSubscribers) return
    const { rateLimiter, clock, minVersion } = this.#parts
    const message = rateLimiter.tryAcquire(clock(), code) ? explanations[code](minVersion) : null
    const event = { server: this.#server, code, message, remoteAddress } as const
    handshakeFailed.publish(Object.freeze<HandshakeFailedEvent>(event))
  }

  #codeOf(error: NodeJS.ErrnoException): HandshakeFailureCode {
    // Without a certificate OpenSSL has nothing in common with any client, for which it has many codes.
    if (!this.#parts.hasSvid() && error.code?.startsWith('ERR_SSL_NO_') === true) return 'no-svid'
    return codes.get(error.code ?? '') ?? 'tls-error'
  }
}

const codes: ReadonlyMap<string, HandshakeFailureCode> = new Map([
  ['ECONNRESET', 'client-gone'],
  ['EPIPE', 'client-gone'],
  ['ERR_SSL_HTTP_REQUEST', 'plain-http'],
  ['ERR_SSL_HTTPS_PROXY_REQUEST', 'plain-http'],
  ['ERR_SSL_NO_APPLICATION_PROTOCOL', 'no-application-protocol'],
  ['ERR_SSL_NO_SHARED_CIPHER', 'no-shared-cipher'],
  ['ERR_SSL_NO_SHARED_GROUP', 'no-shared-cipher'],
  ['ERR_SSL_NO_SHARED_SIGNATURE_ALGORITHMS', 'no-shared-cipher'],
  ['ERR_SSL_NO_SUITABLE_GROUPS', 'no-shared-cipher'],
  ['ERR_SSL_NO_SUITABLE_KEY_SHARE', 'no-shared-cipher'],
  ['ERR_SSL_NO_SUITABLE_SIGNATURE_ALGORITHM', 'no-shared-cipher'],
  ['ERR_SSL_UNSUPPORTED_PROTOCOL', 'tls-version'],
  ['ERR_SSL_VERSION_TOO_LOW', 'tls-version'],
  ['ERR_SSL_WRONG_SSL_VERSION', 'tls-version'],
  ['ERR_SSL_BAD_RECORD_TYPE', 'not-tls'],
  ['ERR_SSL_PACKET_LENGTH_TOO_LONG', 'not-tls'],
  ['ERR_SSL_WRONG_VERSION_NUMBER', 'not-tls'],
  ['ERR_TLS_HANDSHAKE_TIMEOUT', 'handshake-timeout'],
])

/** Cause and cure. Nothing in these texts comes from the client. */
const explanations: Readonly<Record<HandshakeFailureCode, (minVersion: MinVersion) => string>> = {
  'client-gone': () =>
    'the client disconnected during the handshake: a port check, or it does not trust this server; see its log',
  'handshake-timeout': () =>
    'the client did not finish the handshake in time: check the network, or raise handshakeTimeoutMs',
  'no-application-protocol': () =>
    'client and server have no application protocol in common: make the client offer what this server speaks, or set http2 and allowHTTP1',
  'no-shared-cipher': () =>
    'client and server have no cipher suite, group or signature algorithm in common: make the client offer the usual ones of TLS 1.3',
  'no-svid': () => 'this server has no SVID to present now: check the state of its source',
  'not-tls': () =>
    'what the client sent is not TLS: call this port with TLS, and remove the PROXY protocol in front of it',
  'plain-http': () => 'the client spoke plain HTTP to a TLS port: call it with https:',
  'tls-error': () => 'the TLS handshake failed: see the log of the client',
  'tls-version': (minVersion) =>
    minVersion === 'TLSv1.3'
      ? "the client does not support TLS 1.3: update it, or set minVersion: 'TLSv1.2'"
      : 'the client does not support TLS 1.2: update it',
}
