import { invalidDer, type DerReader } from '../der/reader.ts'
import { contextTag, contextTagConstructed, TAG } from '../der/tags.ts'
import { readTime } from '../der/time.ts'
import { readBitString, readSmallInteger } from '../der/values.ts'
import { NO_EXTENSIONS, readExtensions, type Extensions } from './extensions.ts'
import { Name } from './name.ts'
import { readSubjectPublicKey, type SubjectPublicKey } from './public-key.ts'
import { readSerialNumber } from './serial-number.ts'
import type { Signed } from './signature.ts'
import { readInnerAlgorithm, readSigned } from './signed.ts'

/** What a certificate says: RFC 5280 §4.1. */
export interface CertificateFields extends Signed {
  readonly version: 1 | 2 | 3
  readonly serialNumber: string
  readonly issuer: Name
  readonly subject: Name
  readonly notBefore: number
  readonly notAfter: number
  readonly publicKey: SubjectPublicKey
  readonly extensions: Extensions
}

/**
 * Reads exactly one certificate; octets after it are refused.
 * @throws {@link SpiffeError} `invalid-der`
 */
export function readCertificate(der: Uint8Array): CertificateFields {
  return readSigned(der, readTbs)
}

function readTbs(tbs: DerReader, algorithm: Uint8Array): Omit<CertificateFields, keyof Signed> {
  const version = readVersion(tbs.enterIf(contextTagConstructed(0)))
  const serialNumber = readSerialNumber(tbs)
  readInnerAlgorithm(tbs, algorithm)
  const issuer = Name.read(tbs)
  const validity = tbs.enter(TAG.sequence)
  const notBefore = readTime(validity)
  const notAfter = readTime(validity)
  validity.end()
  const subject = Name.read(tbs)
  const publicKey = readSubjectPublicKey(tbs)
  skipUniqueIds(tbs, version)
  const extensions = readOptionalExtensions(tbs, version)
  return { version, serialNumber, issuer, subject, notBefore, notAfter, publicKey, extensions }
}

function readVersion(wrapper: DerReader | undefined): 1 | 2 | 3 {
  if (wrapper === undefined) return 1
  const number = readSmallInteger(wrapper)
  wrapper.end()
  // X.690 §11.5: version 1, the default, is not written.
  if (number !== 1 && number !== 2) throw invalidDer(`version ${number + 1} is not known`)
  return number === 1 ? 2 : 3
}

/** RFC 5280 §4.1.2.8: not for version 1. They are read over: nothing asks for them. */
function skipUniqueIds(tbs: DerReader, version: number): void {
  for (const tag of [contextTag(1), contextTag(2)]) {
    if (tbs.peek() !== tag) continue
    readBitString(tbs, tag)
    if (version === 1) throw invalidDer('unique identifiers in version 1')
  }
}

function readOptionalExtensions(tbs: DerReader, version: number): Extensions {
  const wrapper = tbs.enterIf(contextTagConstructed(3))
  if (wrapper === undefined) return NO_EXTENSIONS
  // RFC 5280 §4.1.2.1: extensions make it version 3.
  if (version !== 3) throw invalidDer(`extensions in version ${version}`)
  const extensions = readExtensions(wrapper.enter(TAG.sequence))
  wrapper.end()
  return extensions
}
