import type { Format, Node } from './tree.ts'

const LENGTH_DELIMITED = 2

/** The wire format of protobuf. The label is the key of the field: its number, and how it is written. */
export const PROTOBUF: Format = { parse: (bytes) => parse(bytes, 0), write }

function parse(bytes: Uint8Array, depth: number): readonly Node[] | undefined {
  const nodes: Node[] = []
  for (let at = 0; at < bytes.length;) {
    const label = varintAt(bytes, at)
    if (label === undefined || label.value < 8) return undefined
    const end = endOf(bytes, label.value % 8, label.end)
    if (end === undefined || end.to > bytes.length) return undefined
    const content = bytes.subarray(end.from, end.to)
    const isWhole = label.value % 8 === LENGTH_DELIMITED
    nodes.push({ label: label.value, content: isWhole ? inside(content, depth) : content })
    at = end.to
  }
  return nodes
}

/** Whether bytes are a message cannot be seen; what looks like one is taken for one. */
function inside(content: Uint8Array, depth: number): Node['content'] {
  if (depth > 2 || content.length === 0) return content
  return parse(content, depth + 1) ?? content
}

function endOf(
  bytes: Uint8Array,
  wireType: number,
  at: number,
): { from: number; to: number } | undefined {
  const number = varintAt(bytes, at)
  if (number === undefined) return undefined
  switch (wireType) {
    case 0:
      return { from: at, to: number.end }
    case 1:
      return { from: at, to: at + 8 }
    case LENGTH_DELIMITED:
      return { from: number.end, to: number.end + number.value }
    case 5:
      return { from: at, to: at + 4 }
    default:
      return undefined
  }
}

function varintAt(bytes: Uint8Array, at: number): { value: number; end: number } | undefined {
  let value = 0
  for (let index = 0; index < 5; index += 1) {
    const octet = bytes[at + index]
    if (octet === undefined) return undefined
    value += (octet & 0x7f) * 128 ** index
    if (octet < 0x80) return { value, end: at + index + 1 }
  }
  return undefined
}

function write(nodes: readonly Node[]): Buffer {
  return Buffer.concat(
    nodes.flatMap(({ label, content }) => {
      const bytes = content instanceof Uint8Array ? content : write(content)
      const hasLength = label % 8 === LENGTH_DELIMITED
      return hasLength ? [varint(label), varint(bytes.length), bytes] : [varint(label), bytes]
    }),
  )
}

function varint(value: number): Uint8Array {
  const octets: number[] = []
  let rest = value
  for (; rest >= 0x80; rest = Math.floor(rest / 128)) octets.push((rest % 128) + 128)
  return Uint8Array.of(...octets, rest)
}
