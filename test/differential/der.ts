/** One DER element with a content of less than 65,536 octets. */
export function der(tag: number, ...content: readonly (Uint8Array | string)[]): Buffer {
  const value = Buffer.concat(content.map((part) => Buffer.from(part)))
  const { length } = value
  const header = length < 0x80 ? [length] : [0x82, length >> 8, length & 0xff]
  // X.690 §10.1: the shortest form of the length.
  if (length >= 0x80 && length < 0x100) header.splice(0, 2, 0x81)
  return Buffer.concat([Buffer.from([tag, ...header]), value])
}

export const SEQUENCE = 0x30
export const SET = 0x31
export const BOOLEAN_TRUE: Buffer = Buffer.from([0x01, 0x01, 0xff])

/** An object identifier whose arcs are below 128, the first two joined. */
export const oid = (...arcs: readonly number[]): Buffer => der(0x06, Buffer.from(arcs))

/** A directory name of one country. */
export function country(code: string): Buffer {
  return der(SEQUENCE, der(SET, der(SEQUENCE, oid(0x55, 0x04, 0x06), der(0x13, code))))
}
