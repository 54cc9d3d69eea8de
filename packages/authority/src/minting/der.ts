/** Encodes one DER element; `content` is its content, in parts. */
export function der(tag: number, ...content: readonly (Uint8Array | string)[]): Buffer {
  const value = Buffer.concat(content.map((part) => Buffer.from(part)))
  return Buffer.concat([Buffer.from([tag, ...encodeLength(value.length)]), value])
}

/** The tag of INTEGER. */
export const INTEGER = 0x02

/** The tag of SEQUENCE. */
export const SEQUENCE = 0x30

const BIT_STRING = 0x03

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

function encodeLength(length: number): number[] {
  if (length < 0x80) return [length]
  const octets: number[] = []
  for (let rest = length; rest > 0; rest = Math.floor(rest / 256)) octets.unshift(rest % 256)
  return [0x80 + octets.length, ...octets]
}
