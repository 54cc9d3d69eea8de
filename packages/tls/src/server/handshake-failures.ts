import type { Server, TLSSocket } from 'node:tls'
import type { MinVersion } from '../context/context-options.ts'
import { handshakeFailed, type HandshakeFailedEvent, type HandshakeFailureCode } from '../events.ts'
import type { MessageBudget } from './message-budget.ts'

export interface HandshakeFailureParts {
  readonly messages: MessageBudget
  readonly clock: () => number
  readonly minVersion: MinVersion
  readonly hasSvid: () => boolean
}

/** Tells of each client whose handshake fails, and why: it sees a TLS alert at best. */
export class HandshakeFailures {
  readonly #server: Server
  readonly #parts: HandshakeFailureParts

  constructor(server: Server, parts: HandshakeFailureParts) {
    this.#server = server
    this.#parts = parts
    // Prepended: the acceptor ends the socket, and with it the client's address.
    server.prependListener('tlsClientError', (error, socket) => {
      this.tell(this.#codeOf(error), socket)
    })
  }

  tell(code: HandshakeFailureCode, { remoteAddress }: TLSSocket): void {
    if (!handshakeFailed.hasSubscribers) return
    const { messages, clock, minVersion } = this.#parts
    const message = messages.take(clock(), code) ? explanations[code](minVersion) : null
    const event = { server: this.#server, code, message, remoteAddress } as const
    handshakeFailed.publish(Object.freeze<HandshakeFailedEvent>(event))
  }

  #codeOf(error: NodeJS.ErrnoException): HandshakeFailureCode {
    // Without a certificate OpenSSL finds nothing in common with any client, and says so in many ways.
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

/** Cause and cure, of our own words alone: nothing in them comes from the client. */
const explanations: Readonly<Record<HandshakeFailureCode, (minVersion: MinVersion) => string>> = {
  'client-gone': () =>
    'the client hung up during the handshake: a port check, or it does not trust this server; see its log',
  'handshake-timeout': () =>
    'the client did not finish the handshake in time: look at the network, or raise handshakeTimeoutMs',
  'no-application-protocol': () =>
    'client and server have no application protocol in common: let the client offer what this server speaks, or set http2 and allowHTTP1',
  'no-shared-cipher': () =>
    'client and server have no cipher suite, group or signature algorithm in common: let the client offer the usual ones of TLS 1.3',
  'no-svid': () =>
    'this server has no SVID to present at the moment: look at the state of its source',
  'not-tls': () =>
    'what the client sent is no TLS: call this port with TLS, and take a PROXY protocol off before',
  'plain-http': () => 'the client spoke plain HTTP to a TLS port: call it with https:',
  'tls-error': () => 'the TLS handshake failed: see the log of the client',
  'tls-version': (minVersion) =>
    minVersion === 'TLSv1.3'
      ? "the client does not speak TLS 1.3: update it, or set minVersion: 'TLSv1.2'"
      : 'the client does not speak TLS 1.2: update it',
}
