import { invalidDer, type DerReader } from './reader.ts'
import { TAG } from './tags.ts'

/** Far more than any identifier in use: 2.25 with a UUID takes 20 octets. */
const MAX_OCTETS = 64

/** Arcs of up to so many octets (7 bits each) are exact as a number. */
const MAX_NUMBER_OCTETS = 7

/** An OBJECT IDENTIFIER in dotted form, each arc in the fewest octets (X.690 §8.19.2). */
export function readObjectIdentifier(reader: DerReader): string {
  const content = reader.content(TAG.objectIdentifier)
  const last = content.at(-1)
  if (last === undefined) throw invalidDer('an OBJECT IDENTIFIER is empty')
  if (content.length > MAX_OCTETS) throw invalidDer('an OBJECT IDENTIFIER is too long')
  if (last >= 0x80) throw invalidDer('an OBJECT IDENTIFIER ends within an arc')
  let text = ''
  let start = 0
  for (let index = 0; index < content.length; index += 1) {
    if (index === start && content[index] === 0x80) {
      throw invalidDer('an arc is not written in the fewest octets')
    }
    if (content[index]! < 0x80) {
      text += start === 0 ? firstArcs(content, index + 1) : `.${arc(content, start, index + 1)}`
      start = index + 1
    }
  }
  return text
}

/** X.690 §8.19.4: the first octets hold two arcs. */
function firstArcs(content: Uint8Array, end: number): string {
  const value = arc(content, 0, end)
  if (value < 40) return `0.${value}`
  if (value < 80) return `1.${Number(value) - 40}`
  return `2.${typeof value === 'bigint' ? value - 80n : value - 80}`
}

function arc(content: Uint8Array, start: number, end: number): number | bigint {
  if (end - start <= MAX_NUMBER_OCTETS) {
    let value = 0
    for (let index = start; index < end; index += 1) value = value * 128 + (content[index]! & 0x7f)
    return value
  }
  let value = 0n
  for (let index = start; index < end; index += 1) {
    value = value * 128n + BigInt(content[index]! & 0x7f)
  }
  return value
}
