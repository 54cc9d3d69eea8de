import { hash } from 'node:crypto'
import { SpiffeError, type Certificate } from '@fastify-spiffe/spiffe'
import { readPemCertificates } from '@fastify-spiffe/spiffe/internal'
import { OcspError } from '../errors.ts'
import { readOcspExtensions } from './certificate-extensions.ts'

/** Certificates in PEM. */
export type Pem = string | Uint8Array

/** A certificate that a server presents, and who is asked about it. */
export interface OwnCertificate {
  readonly certificate: Certificate
  readonly issuer: Certificate
  /** As {@link fingerprintOf}. */
  readonly fingerprint: string
  /** The INTEGER of its serial number, DER. */
  readonly serialNumber: Uint8Array
  /** At least one. */
  readonly responders: readonly URL[]
  readonly mustStaple: boolean
}

export interface OwnCertificateParts {
  /** Issuers beside those in the chain. */
  readonly issuers: readonly Certificate[]
  /** Instead of the URLs in the certificate; `null`: those. */
  readonly responderUrl: URL | null
}

const MAX_RESPONDERS = 4
const MAX_URL = 2048

/** SHA-256 of the DER, in hexadecimal. */
export function fingerprintOf(der: Uint8Array): string {
  return hash('sha256', der, 'hex')
}

/**
 * Reads a chain in PEM, leaf first.
 * @throws {@link OcspError} `no-certificate`
 */
export function readChain(pem: Pem): Certificate[] {
  try {
    return readPemCertificates(pem)
  } catch (cause) {
    const reason = cause instanceof SpiffeError ? cause.message : 'it cannot be read'
    throw new OcspError('no-certificate', `the certificate of the server: ${reason}`, { cause })
  }
}

/**
 * Finds the issuer of a certificate, and its responders.
 * @param chain the certificate first, then others in any order
 * @throws {@link OcspError} `no-certificate`, `svid-server`, `no-issuer`, `no-responder`
 */
export function ownCertificate(
  chain: readonly Certificate[],
  { issuers, responderUrl }: OwnCertificateParts,
): OwnCertificate {
  const [certificate, ...others] = chain
  if (certificate === undefined) {
    throw new OcspError('no-certificate', 'the server presents no certificate')
  }
  assertNoSvid(certificate)
  const issuer = [...others, ...issuers].find(
    (candidate) =>
      candidate.subject.equals(certificate.issuer) && certificate.isSignedBy(candidate),
  )
  if (issuer === undefined) {
    const message =
      'the certificate of the issuer is not there: give the server the whole chain, or set issuer'
    throw new OcspError('no-issuer', message)
  }
  const { responderUrls, ...extensions } = extensionsOf(certificate)
  const responders = responderUrl === null ? usableUrls(responderUrls) : [responderUrl]
  if (responders.length === 0) {
    const message =
      'the certificate names no OCSP responder: its CA runs none, so that there is nothing to staple; ' +
      'remove the plugin, or set responderUrl'
    throw new OcspError('no-responder', message)
  }
  const fingerprint = fingerprintOf(certificate.raw)
  return Object.freeze({ certificate, issuer, fingerprint, responders, ...extensions })
}

function assertNoSvid({ uris }: Certificate): void {
  if (!uris.some((uri) => /^spiffe:/i.test(uri))) return
  const message =
    'the certificate is an SVID: it lives for about an hour, and has no OCSP responder'
  throw new OcspError('svid-server', message)
}

function extensionsOf(certificate: Certificate): ReturnType<typeof readOcspExtensions> {
  try {
    return readOcspExtensions(certificate)
  } catch (cause) {
    const message = 'the extensions of the certificate about OCSP cannot be read'
    throw new OcspError('no-certificate', message, { cause })
  }
}

function usableUrls(texts: readonly string[]): URL[] {
  return texts
    .map(readResponderUrl)
    .filter((url) => url !== null)
    .slice(0, MAX_RESPONDERS)
}

/** Reads the URL of a responder; `null` for one that is not of HTTP, or that has a user name or a password. */
export function readResponderUrl(text: string): URL | null {
  if (text.length > MAX_URL || !URL.canParse(text)) return null
  const url = new URL(text)
  const isHttp = url.protocol === 'http:' || url.protocol === 'https:'
  return isHttp && url.username === '' && url.password === '' ? url : null
}
