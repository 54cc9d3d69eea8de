import type { Certificate } from '@fastify-spiffe/spiffe'
import { contextTagConstructed, TAG } from '@fastify-spiffe/spiffe/internal'
import {
  HASH_IDENTIFIERS,
  issuerNameHash,
  keyHash,
  type CertIdHash,
} from '../certificate/cert-id.ts'

/** What a request asks about. */
export interface RequestParts {
  readonly certificate: Certificate
  readonly issuer: Certificate
  /** The INTEGER of the serial number, DER. */
  readonly serialNumber: Uint8Array
  readonly hash: CertIdHash
  /** `null`: none. */
  readonly nonce: Uint8Array | null
}

/** The DER of the object identifiers, by their dotted form. */
const IDENTIFIERS: Readonly<Record<string, string>> = {
  [HASH_IDENTIFIERS.sha1]: '06052b0e03021a',
  [HASH_IDENTIFIERS.sha256]: '0609608648016503040201',
}
const NONCE = Buffer.from('06092b0601050507300102', 'hex')
const NULL = Buffer.from([TAG.null, 0])

/** Writes an OCSP request about one certificate, unsigned (RFC 6960 §4.1.1). */
export function writeRequest({ hash, nonce, ...parts }: RequestParts): Buffer {
  const identifier = Buffer.from(IDENTIFIERS[HASH_IDENTIFIERS[hash]]!, 'hex')
  const certId = element(
    TAG.sequence,
    element(TAG.sequence, identifier, NULL),
    element(TAG.octetString, issuerNameHash(parts.certificate, hash)),
    element(TAG.octetString, keyHash(parts.issuer, hash)),
    parts.serialNumber,
  )
  const list = element(TAG.sequence, element(TAG.sequence, certId))
  const extensions = nonce === null ? Buffer.alloc(0) : nonceExtension(nonce)
  return element(TAG.sequence, element(TAG.sequence, list, extensions))
}

/** RFC 6960 §4.4.1. */
function nonceExtension(nonce: Uint8Array): Buffer {
  const value = element(TAG.octetString, element(TAG.octetString, nonce))
  const extension = element(TAG.sequence, NONCE, value)
  return element(contextTagConstructed(2), element(TAG.sequence, extension))
}

/** One element, of less than 256 octets. */
function element(tag: number, ...contents: readonly Uint8Array[]): Buffer {
  const content = Buffer.concat(contents)
  const { length } = content
  const header = length < 0x80 ? [tag, length] : [tag, 0x81, length]
  return Buffer.concat([Buffer.from(header), content])
}
