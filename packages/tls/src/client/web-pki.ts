import { X509Certificate } from 'node:crypto'
import type { OptionReader } from '@fastify-spiffe/spiffe/internal'
import { reader } from '../options.ts'
import { ClientContexts } from './connector-cache.ts'

/** A server of the Web PKI, whose chain and name are verified, with what it has stapled. */
export interface StapledServer {
  readonly certificate: X509Certificate
  /** The issuer of the certificate; `undefined` if it is not known. */
  readonly issuer: X509Certificate | undefined
  /** The OCSP response, DER; `null`: the server has stapled none. */
  readonly response: Buffer | null
}

/** Whether a staple is good, and if not, why. */
export type StapleVerdict =
  | { readonly ok: true }
  | { readonly ok: false; readonly code: string; readonly message: string }

/** Judges the OCSP staple of a server, synchronously: `stapleVerifier` of `@fastify-spiffe/ocsp` makes one. */
export type StapleVerifier = (server: StapledServer) => StapleVerdict

/** Options of {@link webPki}. */
export interface WebPkiOptions {
  /**
   * The authorities to trust, as certificates in PEM. Default: those that Node trusts, with
   * `NODE_EXTRA_CA_CERTS`.
   */
  readonly ca?: string | readonly string[]
  /**
   * Requires a good OCSP staple (RFC 6066 §8) of the server, before anything is sent to it: `stapleVerifier()` of
   * `@fastify-spiffe/ocsp`. Default: staples are not asked for, and servers whose certificates demand one are not held to it.
   */
  readonly requireStaple?: StapleVerifier
}

/** Servers of the Web PKI, for the option `server` of clients. {@link webPki} makes one. */
export class WebPki {
  /** @internal */
  readonly contexts: ClientContexts
  /** @internal */
  readonly verifyStaple: StapleVerifier | undefined

  /** @internal */
  constructor(contexts: ClientContexts, verifyStaple: StapleVerifier | undefined) {
    this.contexts = contexts
    this.verifyStaple = verifyStaple
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
  reader.assertKnown('webPki', options, ['ca', 'requireStaple'])
  const { ca, requireStaple } = options
  if (requireStaple !== undefined && typeof requireStaple !== 'function') {
    reader.refuse('requireStaple', requireStaple, 'must be a stapleVerifier() of the package ocsp')
  }
  return new WebPki(new ClientContexts(readCertificates(reader, ca)), requireStaple)
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
