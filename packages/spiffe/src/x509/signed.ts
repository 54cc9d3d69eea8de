import { DerReader, invalidDer } from '../der/reader.ts'
import { TAG } from '../der/tags.ts'
import { readOctetAlignedBitString, readWhole } from '../der/values.ts'
import { sameBytes } from './bytes.ts'
import { readSignatureAlgorithm } from './signature-algorithm.ts'
import type { Signed } from './signature.ts'

/**
 * Reads exactly one certificate or revocation list (RFC 5280 §4.1, §5.1), whose frame is the same;
 * octets after it are refused.
 * @param readFields reads what is signed, {@link readInnerAlgorithm} included
 * @throws {@link SpiffeError} `invalid-der`
 */
export function readSigned<T>(
  der: Uint8Array,
  readFields: (tbs: DerReader, algorithm: Uint8Array) => T,
): T & Signed {
  return readWhole(der, (outer) => {
    const element = outer.enter(TAG.sequence)
    const signed = element.element(TAG.sequence)
    const algorithm = element.element(TAG.sequence)
    const signature = readOctetAlignedBitString(element)
    element.end()
    const tbs = DerReader.of(signed).enter(TAG.sequence)
    const fields = readFields(tbs, algorithm)
    tbs.end()
    const signatureAlgorithm = Object.freeze(readSignatureAlgorithm(algorithm))
    return { ...fields, signed, signature, signatureAlgorithm }
  })
}

/** RFC 5280 §4.1.1.2, §5.1.1.2: the algorithm that is signed is the one that is used. */
export function readInnerAlgorithm(tbs: DerReader, algorithm: Uint8Array): void {
  if (!sameBytes(tbs.element(TAG.sequence), algorithm)) {
    throw invalidDer('the inner and the outer signature algorithm differ')
  }
}
