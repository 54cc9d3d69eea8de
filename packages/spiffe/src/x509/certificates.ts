import { DerReader, invalidDer } from '../der/reader.ts'
import { TAG } from '../der/tags.ts'
import { SpiffeError } from '../errors.ts'
import { Certificate } from './certificate.ts'
import { CERTIFICATES } from './pem-kinds.ts'
import { readPem } from './pem.ts'

const DEFAULT_MAX_CERTIFICATES = 10_000

/**
 * Splits concatenated DER, as the Workload API sends it, by the lengths in the DER itself. No
 * octets are no certificates.
 * @param maxCertificates how many are accepted, 10,000 by default
 * @throws {@link SpiffeError} `invalid-der` for octets that are not an element, or for too many
 *   elements; `invalid-certificate` for an element that is not a certificate
 */
export function splitCertificates(
  der: Uint8Array,
  maxCertificates: number = DEFAULT_MAX_CERTIFICATES,
): Certificate[] {
  const reader = DerReader.of(der)
  const certificates: Certificate[] = []
  while (!reader.isAtEnd) {
    if (!(certificates.length < maxCertificates)) {
      throw invalidDer(`more than ${maxCertificates} certificates`)
    }
    certificates.push(Certificate.fromDer(reader.element(TAG.sequence)))
  }
  return certificates
}

/**
 * The certificates of a PEM file, in order, and at least one; other blocks in it are passed over.
 * @throws {@link SpiffeError} `invalid-pem`, or `invalid-certificate`
 */
export function readPemCertificates(pem: string | Uint8Array): Certificate[] {
  const blocks = readPem(pem, CERTIFICATES)
  if (blocks.length > DEFAULT_MAX_CERTIFICATES) {
    throw new SpiffeError('invalid-pem', `more than ${DEFAULT_MAX_CERTIFICATES} certificates`)
  }
  return blocks.map(({ der }) => Certificate.fromDer(der))
}
