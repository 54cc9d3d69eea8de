import { X509Certificate } from 'node:crypto'
import type { OptionReader } from '@fastify-spiffe/spiffe/internal'
import { reader } from '../options.ts'
import { ClientContexts } from './connector-cache.ts'

/** Options of {@link webPki}. */
export interface WebPkiOptions {
  /**
   * The authorities to trust, as certificates in PEM. Default: those that Node trusts, with
   * `NODE_EXTRA_CA_CERTS`.
   */
  readonly ca?: string | readonly string[]
}

/** Servers of the Web PKI, for the option `server` of clients. {@link webPki} makes one. */
export class WebPki {
  /** @internal */
  readonly contexts: ClientContexts

  /** @internal */
  constructor(contexts: ClientContexts) {
    this.contexts = contexts
  }

  /** Returns the words that messages use for such servers. */
  toString(): string {
    return 'a server of the Web PKI'
  }
}

/**
 * Returns what the option `server` of a client is for a server that has no SPIFFE ID: it has to present a
 * certificate for the host name of the connection (RFC 9525) that an authority of the Web PKI has issued.
 * Such a server sees the own SVID. `peerOf` of the connection is `null`.
 *
 * @throws {@link TlsError} `unknown-option` or `invalid-option`
 */
export function webPki(options: WebPkiOptions = {}): WebPki {
  reader.assertKnown('webPki', options, ['ca'])
  return new WebPki(new ClientContexts(readCertificates(reader, options.ca)))
}

/**
 * Reads the option `ca`; `undefined` stays so.
 * @param optionReader that of the package whose option it is
 * @throws `invalid-option`
 */
export function readCertificates(
  optionReader: OptionReader,
  ca: string | readonly string[] | undefined,
): readonly string[] | undefined {
  if (ca === undefined) return undefined
  const certificates = typeof ca === 'string' ? [ca] : ca
  const rule = 'must be certificates in PEM'
  // An empty list would trust no one, and one of other values whatever OpenSSL makes of them.
  return [...optionReader.read('ca', certificates, undefined, isListOfCertificates, rule)]
}

function isListOfCertificates(value: unknown): boolean {
  return Array.isArray(value) && value.length > 0 && value.every(isCertificate)
}

function isCertificate(value: unknown): boolean {
  if (typeof value !== 'string') return false
  try {
    return new X509Certificate(value).raw.length > 0
  } catch {
    return false
  }
}
