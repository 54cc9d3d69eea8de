import type { TLSSocket } from 'node:tls'
import { TlsError } from '../errors.ts'
import { assertKnownOptions, reader } from '../options.ts'
import {
  serverOptionNames,
  serverSettings,
  type ServerSettings,
  type SvidServerOptions,
} from './server-options.ts'

/** The options that concern HTTP. */
type HttpServerOption = 'http2' | 'allowHTTP1' | 'http' | 'grpc'

/** Options of `createSvidTlsServer`: {@link SvidServerOptions} without those of HTTP. Each has a default. */
export interface SvidTlsServerOptions extends Omit<SvidServerOptions, HttpServerOption> {
  /** Application protocols (ALPN, RFC 7301) to choose from, the preferred one first. Default: none. */
  readonly alpnProtocols?: readonly string[]
  /**
   * Called once for a connection that is to be closed gracefully, as the protocol of the application
   * does: what is left after `graceMs` is destroyed. It must not throw. Default: nothing is done before.
   */
  readonly onClosing?: (socket: TLSSocket) => void
}

export interface TlsServerSettings extends ServerSettings {
  readonly alpnProtocols: readonly string[]
  readonly onClosing: (socket: TLSSocket) => void
}

const httpNames: ReadonlySet<string> = new Set<HttpServerOption>([
  'http2',
  'allowHTTP1',
  'http',
  'grpc',
])

const names: ReadonlySet<string> = new Set([
  ...serverOptionNames.filter((name) => !httpNames.has(name)),
  'alpnProtocols',
  'onClosing',
])

/** @throws {@link TlsError} `unknown-option`, `forbidden-option` or `invalid-option` */
export function tlsServerSettings(options: SvidTlsServerOptions): TlsServerSettings {
  assertKnownOptions(options, names, 'createSvidTlsServer')
  const { alpnProtocols = [], onClosing, ...shared } = options
  if (!Array.isArray(alpnProtocols) || !alpnProtocols.every(isProtocol)) {
    throw new TlsError(
      'invalid-option',
      'alpnProtocols must be an array of strings of 1 to 255 bytes',
    )
  }
  return {
    ...serverSettings(shared),
    alpnProtocols,
    onClosing: reader.asFunction('onClosing', onClosing, () => undefined),
  }
}

// RFC 7301 §3.1: the length of a name is one byte, and not zero.
function isProtocol(name: unknown): boolean {
  return typeof name === 'string' && name !== '' && Buffer.byteLength(name) <= 255
}
