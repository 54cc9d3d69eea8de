import { expect } from '@jest/globals'
import { DerReader } from './reader.ts'

/** The octets that stand in `hex`; white space is for the eye. */
export function bytes(hex: string): Buffer {
  return Buffer.from(hex.replaceAll(/\s/g, ''), 'hex')
}

export function reading(hex: string): DerReader {
  return DerReader.of(bytes(hex))
}

export function refusesDer(read: () => unknown): void {
  expect(read).toThrow(expect.objectContaining({ name: 'SpiffeError', code: 'invalid-der' }))
}

/** One element: `contents` in a row, under `tag`; text is taken as ASCII. */
export function tlv(tag: number, ...contents: readonly (Uint8Array | string)[]): Buffer {
  const content = Buffer.concat(
    contents.map((part) => (typeof part === 'string' ? Buffer.from(part) : part)),
  )
  const { length } = content
  if (length < 0x80) return Buffer.concat([Buffer.from([tag, length]), content])
  const octets = length < 0x100 ? [length] : [length >> 8, length & 0xff]
  return Buffer.concat([Buffer.from([tag, 0x80 | octets.length, ...octets]), content])
}
