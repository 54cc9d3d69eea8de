import { hash, X509Certificate } from 'node:crypto'
import { describeCause } from '../describe.ts'
import { SpiffeError } from '../errors.ts'
import { detachedCopy, sameBytes } from './bytes.ts'
import type { Extensions } from './extensions.ts'
import type { Name } from './name.ts'
import type { SubjectPublicKey } from './public-key.ts'
import type { SignatureAlgorithm } from './signature-algorithm.ts'
import { isSignedByKeyOf } from './signature.ts'
import { readCertificate, type CertificateFields } from './tbs.ts'

/**
 * One X.509 certificate, read strictly (RFC 5280 §4, DER). It says what the certificate says, and
 * proves nothing: that is `verifyX509Svid`'s part. Immutable.
 */
export class Certificate {
  /** The DER. Not to be written to. */
  readonly raw: Buffer
  readonly version: 1 | 2 | 3
  /** Lower-case hexadecimal without leading zero octets. */
  readonly serialNumber: string
  readonly issuer: Name
  readonly subject: Name
  /** Milliseconds since the epoch. */
  readonly notBefore: number
  /** Milliseconds since the epoch; the certificate is valid up to and including it. */
  readonly notAfter: number
  readonly publicKey: SubjectPublicKey
  /** `undefined` when the issuer signed in a way that is not allowed, such as SHA-1. */
  readonly signatureAlgorithm: SignatureAlgorithm | undefined
  readonly extensions: Extensions
  readonly #fields: CertificateFields
  #x509: X509Certificate | undefined
  #fingerprint256: string | undefined

  private constructor(raw: Buffer, x509?: X509Certificate) {
    const fields = readFields(raw)
    this.raw = raw
    this.version = fields.version
    this.serialNumber = fields.serialNumber
    this.issuer = fields.issuer
    this.subject = fields.subject
    this.notBefore = fields.notBefore
    this.notAfter = fields.notAfter
    this.publicKey = fields.publicKey
    this.signatureAlgorithm = fields.signatureAlgorithm
    this.extensions = fields.extensions
    this.#fields = fields
    this.#x509 = x509
    Object.freeze(this)
  }

  /**
   * Reads exactly one certificate; octets after it are refused.
   * @throws {@link SpiffeError} `invalid-certificate`
   */
  static fromDer(der: Uint8Array): Certificate {
    return new Certificate(detachedCopy(der))
  }

  /**
   * Reads what `node:tls` hands out, and keeps it as {@link x509}.
   * @throws {@link SpiffeError} `invalid-certificate`
   */
  static fromX509(x509: X509Certificate): Certificate {
    return new Certificate(x509.raw, x509)
  }

  /**
   * The same certificate for `node:crypto`, made at the first call.
   * @throws {@link SpiffeError} `invalid-certificate` when OpenSSL does not take it
   */
  get x509(): X509Certificate {
    try {
      return (this.#x509 ??= new X509Certificate(this.raw))
    } catch (cause) {
      throw new SpiffeError('invalid-certificate', 'OpenSSL does not take the certificate', {
        cause,
      })
    }
  }

  /** SHA-256 of the DER, `AA:BB:…`. */
  get fingerprint256(): string {
    return (this.#fingerprint256 ??= this.#x509?.fingerprint256 ?? fingerprint(this.raw))
  }

  /** The URIs of the subject's alternative names, octet for octet as they were signed. */
  get uris(): readonly string[] {
    return this.extensions.subjectAltName?.value.uris ?? []
  }

  /** RFC 5280 §4.2.1.9, §4.2.1.3: whether it is a CA that may sign certificates. */
  get isCertificateAuthority(): boolean {
    const { basicConstraints, keyUsage } = this.extensions
    return basicConstraints?.value.isCa === true && keyUsage?.value.includes('keyCertSign') === true
  }

  /** Whether subject and issuer are the same name, which says nothing about the key. */
  get isSelfIssued(): boolean {
    return this.subject.equals(this.issuer)
  }

  /**
   * Whether the key of `issuer` made this certificate's signature, in an allowed way and with a key
   * of the right kind. Names, dates and the issuer's right to sign are not looked at. One signature
   * check, about 0.1 ms. Never throws.
   */
  isSignedBy(issuer: Certificate): boolean {
    return isSignedByKeyOf(issuer, this.#fields)
  }

  /** Whether both are the same certificate, octet for octet. */
  equals(other: Certificate): boolean {
    return this === other || sameBytes(this.raw, other.raw)
  }

  toJSON(): Record<string, unknown> {
    const { uris, serialNumber, fingerprint256, notBefore, notAfter } = this
    return { uris, serialNumber, fingerprint256, notBefore, notAfter }
  }
}

function readFields(raw: Buffer): CertificateFields {
  try {
    return readCertificate(raw)
  } catch (cause) {
    const reason = describeCause(cause)
    throw new SpiffeError('invalid-certificate', `not a certificate: ${reason}`, { cause })
  }
}

function fingerprint(raw: Buffer): string {
  return hash('sha256', raw, 'hex')
    .toUpperCase()
    .replaceAll(/..(?=.)/g, '$&:')
}
