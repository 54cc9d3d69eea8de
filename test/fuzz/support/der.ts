import type { Format, Node } from './tree.ts'

const OCTET_STRING = 0x04

/** DER, read by itself and not by the reader that is tested. Strings that hold DER are taken apart as well. */
export const DER: Format = { parse: (bytes) => parse(bytes, 0), write }

function parse(bytes: Uint8Array, depth: number): readonly Node[] | undefined {
  const nodes: Node[] = []
  for (let at = 0; at < bytes.length;) {
    const label = bytes[at]!
    const length = lengthAt(bytes, at + 1)
    if (length === undefined || length.end + length.value > bytes.length) return undefined
    const content = bytes.subarray(length.end, length.end + length.value)
    nodes.push({ label, content: inside(label, content, depth) })
    at = length.end + length.value
  }
  return nodes
}

function inside(label: number, content: Uint8Array, depth: number): Node['content'] {
  const mayHold = (label & 0x20) !== 0 || label === OCTET_STRING
  if (!mayHold || depth > 12 || content.length === 0) return content
  return parse(content, depth + 1) ?? content
}

function lengthAt(bytes: Uint8Array, at: number): { value: number; end: number } | undefined {
  const first = bytes[at]
  if (first === undefined) return undefined
  if (first < 0x80) return { value: first, end: at + 1 }
  const octets = first & 0x7f
  if (octets === 0 || octets > 4 || at + 1 + octets > bytes.length) return undefined
  let value = 0
  for (let index = 1; index <= octets; index += 1) value = value * 256 + bytes[at + index]!
  return { value, end: at + 1 + octets }
}

function write(nodes: readonly Node[]): Buffer {
  return Buffer.concat(nodes.map(writeOne))
}

function writeOne({ label, content }: Node): Buffer {
  const bytes = content instanceof Uint8Array ? content : write(content)
  return Buffer.concat([Uint8Array.of(label), derLength(bytes.length), bytes])
}

export function derLength(length: number): Uint8Array {
  if (length < 0x80) return Uint8Array.of(length)
  const octets: number[] = []
  for (let rest = length; rest > 0; rest = Math.floor(rest / 256)) octets.unshift(rest % 256)
  return Uint8Array.of(0x80 + octets.length, ...octets)
}
