import { randomBytes, type KeyObject } from 'node:crypto'
import { AuthorityError } from '../errors.ts'
import { buildExtensions, type ExtensionDefaults, spki } from './extensions.ts'
import { importSigningKey, signingAlgorithmOf } from './key-pair.ts'
import type { CertificateTemplate } from './template.ts'
import { X509CertificateGenerator } from './x509.ts'

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
    const certificate = await X509CertificateGenerator.create({
      serialNumber: template.serialNumber ?? randomSerialNumber(),
      subject: defaults.subject,
      issuer: template.issuer ?? issuer.subject,
      notBefore: dateOf(template.notBefore ?? defaults.notBefore),
      notAfter: dateOf(template.notAfter ?? defaults.notAfter),
      extensions: await buildExtensions(template, defaults, publicKey, issuer.publicKey),
      publicKey: spki(publicKey),
      signingKey: await importSigningKey(issuer.privateKey, algorithm),
      signingAlgorithm: algorithm,
    })
    const der = Buffer.from(certificate.rawData)
    return template.corruptSignature === true ? corruptSignature(der) : der
  } catch (cause) {
    throw new AuthorityError('unmintable', 'a certificate of this template cannot be encoded', {
      cause,
    })
  }
}

/** 16 bytes, positive and without a leading zero (RFC 5280 §4.1.2.2). */
export function randomSerialNumber(): string {
  const bytes = randomBytes(16)
  bytes[0] = (bytes[0]! & 0x7f) | 0x40
  return bytes.toString('hex')
}

/** Changes the last byte of the DER, which belongs to the signature. */
export function corruptSignature(der: Buffer): Buffer {
  der[der.length - 1]! ^= 1
  return der
}

export function dateOf(time: number): Date {
  const date = new Date(time)
  if (Number.isNaN(date.getTime()))
    throw new RangeError('a time of a certificate is not milliseconds since the epoch')
  return date
}
