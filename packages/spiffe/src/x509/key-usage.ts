import type { DerReader } from '../der/reader.ts'
import { readBitString } from '../der/values.ts'

/** RFC 5280 §4.2.1.3, in the order of its bits. */
const PURPOSES = [
  'digitalSignature',
  'nonRepudiation',
  'keyEncipherment',
  'dataEncipherment',
  'keyAgreement',
  'keyCertSign',
  'cRLSign',
  'encipherOnly',
  'decipherOnly',
] as const

/** One bit of the key usage of a certificate, by its name in RFC 5280 §4.2.1.3. */
export type KeyUsagePurpose = (typeof PURPOSES)[number]

/** The purposes that a KeyUsage allows. */
export function readKeyUsage(reader: DerReader): readonly KeyUsagePurpose[] {
  const bits = readBitString(reader)
  return Object.freeze(
    PURPOSES.filter((_, bit) => ((bits[bit >> 3] ?? 0) & (0x80 >> (bit & 7))) !== 0),
  )
}
