import { randomBytes, type KeyObject } from 'node:crypto'
import { AuthorityError } from '../errors.ts'
import { contextTag, der, integer, SEQUENCE, time, unsigned } from './der.ts'
import { buildExtensions, type ExtensionDefaults, spki } from './extensions.ts'
import { signingAlgorithmOf } from './key-pair.ts'
import { encodeName } from './name.ts'
import { encodeSigned } from './signed.ts'
import type { CertificateTemplate } from './template.ts'

// RFC 5280 §4.1.2.1: the value 2.
const VERSION_3 = der(contextTag(0, 'constructed'), integer(2))
const EXTENSIONS = contextTag(3, 'constructed')

/** The values for what a template leaves out. */
export interface IssueDefaults extends ExtensionDefaults {
  readonly notBefore: number
  readonly notAfter: number
}

/** The CA that signs. */
export interface Issuer {
  readonly subject: string
  readonly privateKey: KeyObject
  readonly publicKey: KeyObject
}

/**
 * Makes one certificate for `publicKey` and returns its DER.
 * @throws {@link AuthorityError} `unmintable`
 */
export async function issueCertificate(
  publicKey: KeyObject,
  issuer: Issuer,
  template: CertificateTemplate,
  defaults: IssueDefaults,
): Promise<Buffer> {
  const algorithm = signingAlgorithmOf(issuer.privateKey, template.hash)
  try {
    const serialNumber = encodeSerialNumber(template.serialNumber ?? randomSerialNumber())
    const issuerName = await encodeName(template.issuer ?? issuer.subject)
    const subject = await encodeName(defaults.subject)
    const validity = der(
      SEQUENCE,
      time(template.notBefore ?? defaults.notBefore),
      time(template.notAfter ?? defaults.notAfter),
    )
    const extensions = await buildExtensions(template, defaults, publicKey, issuer.publicKey)
    const certificate = await encodeSigned(
      (identifier) =>
        der(
          SEQUENCE,
          VERSION_3,
          serialNumber,
          identifier,
          issuerName,
          validity,
          subject,
          spki(publicKey),
          der(EXTENSIONS, der(SEQUENCE, ...extensions)),
        ),
      issuer.privateKey,
      algorithm,
    )
    return template.corruptSignature === true ? corruptSignature(certificate) : certificate
  } catch (cause) {
    throw new AuthorityError('unmintable', 'a certificate of this template cannot be encoded', {
      cause,
    })
  }
}

/** Encodes a serial number in hexadecimal. */
export function encodeSerialNumber(text: string): Buffer {
  if (!/^[0-9a-f]+$/i.test(text)) throw new RangeError('a serial number is not hexadecimal')
  return unsigned(Buffer.from(text.padStart(text.length + (text.length % 2), '0'), 'hex'))
}

/** 16 bytes, positive and without a leading zero (RFC 5280 §4.1.2.2). */
export function randomSerialNumber(): string {
  const bytes = randomBytes(16)
  bytes[0] = (bytes[0]! & 0x7f) | 0x40
  return bytes.toString('hex')
}

/** Changes the last byte of a certificate or list, which belongs to the signature. */
export function corruptSignature(encoded: Buffer): Buffer {
  encoded[encoded.length - 1]! ^= 1
  return encoded
}
