/** Encodes one DER element; `content` is its content, in parts. */
export function der(tag: number, ...content: readonly (Uint8Array | string)[]): Buffer {
  const value = Buffer.concat(content.map((part) => Buffer.from(part)))
  return Buffer.concat([Buffer.from([tag, ...encodeLength(value.length)]), value])
}

/** The tag of OCTET STRING. */
export const OCTET_STRING = 0x04

/** The tag of SEQUENCE. */
export const SEQUENCE = 0x30

/** The tag of SET. */
export const SET = 0x31

const INTEGER = 0x02
const BIT_STRING = 0x03
const OBJECT_IDENTIFIER = 0x06
const UTC_TIME = 0x17
const GENERALIZED_TIME = 0x18

/** BOOLEAN TRUE. What is false is left out, since it is the default. */
export const TRUE: Buffer = Buffer.of(0x01, 0x01, 0xff)

/** NULL. */
export const NULL: Buffer = Buffer.of(0x05, 0x00)

/** Encodes a whole number as INTEGER, in the fewest octets. */
export function integer(value: number): Buffer {
  const octets: number[] = []
  let rest = BigInt(value)
  let sign: bigint
  do {
    octets.unshift(Number(rest & 0xffn))
    rest >>= 8n
    sign = octets[0]! < 0x80 ? 0n : -1n
  } while (rest !== sign)
  return der(INTEGER, Uint8Array.from(octets))
}

/** Encodes octets, the most significant first, as INTEGER that is not negative. */
export function unsigned(octets: Buffer): Buffer {
  const first = octets.findIndex((octet) => octet !== 0)
  const significant = first === -1 ? Buffer.of(0) : octets.subarray(first)
  return der(INTEGER, significant[0]! < 0x80 ? '' : '\0', significant)
}

/** Encodes an object identifier in dotted decimal. */
export function objectIdentifier(dotted: string): Buffer {
  if (!/^[0-2](?:\.\d+)+$/.test(dotted)) throw new RangeError('not an object identifier')
  const [root, branch, ...others] = dotted.split('.').map(BigInt)
  const octets = [root! * 40n + branch!, ...others].flatMap(base128)
  return der(OBJECT_IDENTIFIER, Uint8Array.from(octets))
}

function base128(arc: bigint): number[] {
  const octets = [Number(arc & 0x7fn)]
  for (let rest = arc >> 7n; rest > 0n; rest >>= 7n) octets.unshift(Number(rest & 0x7fn) | 0x80)
  return octets
}

/** Encodes milliseconds since the epoch, cut to seconds: up to 2049 as UTCTime (RFC 5280 §4.1.2.5). */
export function time(milliseconds: number): Buffer {
  // Throws for what is not a time.
  const iso = new Date(milliseconds).toISOString()
  if (iso.length !== '0000-00-00T00:00:00.000Z'.length)
    throw new RangeError('not a year of 4 digits')
  const digits = `${iso.slice(0, 19).replaceAll(/\D/g, '')}Z`
  const isUtcTime = digits >= '1950' && digits < '2050'
  return isUtcTime ? der(UTC_TIME, digits.slice(2)) : der(GENERALIZED_TIME, digits)
}

/** Encodes octets, all of their bits, as BIT STRING. */
export function bitString(octets: Uint8Array): Buffer {
  return der(BIT_STRING, '\0', octets)
}

/** Encodes a named bit list: the bits at `positions` are set, and none follows the last of them. */
export function namedBits(positions: readonly number[]): Buffer {
  const length = Math.max(-1, ...positions) + 1
  const octets = Buffer.alloc(Math.ceil(length / 8))
  for (const position of positions) octets[position >> 3]! |= 0x80 >> (position & 7)
  const unused = octets.length * 8 - length
  return der(BIT_STRING, Buffer.from([unused]), octets)
}

/** The tag `[number]`, primitive or constructed, of the context-specific class. */
export function contextTag(number: number, form: 'primitive' | 'constructed'): number {
  return (form === 'constructed' ? 0xa0 : 0x80) + number
}

/** Splits good DER after its first element: the tag and the content of that, and the rest. */
export function splitElement(encoded: Buffer): [tag: number, content: Buffer, rest: Buffer] {
  const [tag = 0, first = 0] = encoded
  const octets = first < 0x80 ? 0 : first - 0x80
  const start = 2 + octets
  const end = start + (octets === 0 ? first : encoded.readUIntBE(2, octets))
  return [tag, encoded.subarray(start, end), encoded.subarray(end)]
}

function encodeLength(length: number): number[] {
  if (length < 0x80) return [length]
  const octets: number[] = []
  for (let rest = length; rest > 0; rest = Math.floor(rest / 256)) octets.unshift(rest % 256)
  return [0x80 + octets.length, ...octets]
}
