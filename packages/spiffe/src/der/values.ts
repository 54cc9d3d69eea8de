import { DerReader, invalidDer } from './reader.ts'
import { TAG } from './tags.ts'

/** Runs `read` over the whole of `bytes`: octets that it leaves are refused. */
export function readWhole<T>(bytes: Uint8Array, read: (reader: DerReader) => T): T {
  const reader = DerReader.of(bytes)
  const value = read(reader)
  reader.end()
  return value
}

/** X.690 §11.1: TRUE is FF, FALSE is 00, nothing else is either. */
export function readBoolean(reader: DerReader): boolean {
  const content = reader.content(TAG.boolean)
  const value = content[0]
  if (content.length !== 1 || (value !== 0x00 && value !== 0xff)) {
    throw invalidDer('a BOOLEAN is neither 00 nor FF')
  }
  return value === 0xff
}

/**
 * `BOOLEAN DEFAULT FALSE`. An explicit FALSE is accepted, although X.690 §11.5 omits it: issuers do
 * write it, and it has one meaning.
 */
export function readFlag(reader: DerReader): boolean {
  return reader.peek() === TAG.boolean && readBoolean(reader)
}

/**
 * The octets of an INTEGER, two's complement, in the fewest octets (X.690 §8.3.2).
 * @param tag where the type is tagged implicitly
 */
export function readInteger(reader: DerReader, tag: number = TAG.integer): Uint8Array {
  const content = reader.content(tag)
  const [first, second] = content
  if (first === undefined) throw invalidDer('an INTEGER is empty')
  if (second !== undefined && (first === 0x00 ? second < 0x80 : first === 0xff && second >= 0x80)) {
    throw invalidDer('an INTEGER is not written in the fewest octets')
  }
  return content
}

/** An INTEGER from 0 to 2^31 - 1. */
export function readSmallInteger(reader: DerReader): number {
  const value = readCount(reader)
  if (value >= 2 ** 31) throw invalidDer('an INTEGER is too large')
  return value
}

/**
 * An INTEGER of 0 or more, for INTEGER (0..MAX) of ASN.1. A value above 2^53 - 1 is read as 2^53 - 1.
 * @param tag where the type is tagged implicitly
 */
export function readCount(reader: DerReader, tag: number = TAG.integer): number {
  const content = readInteger(reader, tag)
  if (content[0]! >= 0x80) throw invalidDer('an INTEGER is negative')
  const value = content.reduce((total, octet) => total * 256 + octet, 0)
  return Math.min(value, Number.MAX_SAFE_INTEGER)
}

/**
 * The octets of a BIT STRING (X.690 §8.6, §11.2): unused bits are at most seven, and zero.
 * @param tag where the type is tagged implicitly
 */
export function readBitString(reader: DerReader, tag: number = TAG.bitString): Uint8Array {
  return bitString(reader, tag).bits
}

/** A BIT STRING that holds whole octets: keys and signatures. */
export function readOctetAlignedBitString(reader: DerReader): Uint8Array {
  const { unused, bits } = bitString(reader, TAG.bitString)
  if (unused !== 0) throw invalidDer('a BIT STRING of octets has unused bits')
  return bits
}

function bitString(
  reader: DerReader,
  tag: number,
): { readonly unused: number; readonly bits: Uint8Array } {
  const content = reader.content(tag)
  const unused = content[0]
  if (unused === undefined) throw invalidDer('a BIT STRING lacks its first octet')
  if (unused > 7 || (unused > 0 && content.length === 1)) {
    throw invalidDer(`a BIT STRING says that ${unused} bits are unused`)
  }
  if ((content.at(-1)! & ((1 << unused) - 1)) !== 0 && unused > 0) {
    throw invalidDer('the unused bits of a BIT STRING are not zero')
  }
  return { unused, bits: content.subarray(1) }
}
