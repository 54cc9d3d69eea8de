import * as fc from 'fast-check'
import { edited, edits } from './mutation.ts'

/** Changes of a text. Places wrap around, so that each fits every text. */
export type TextChange = (text: string) => string

/** Octets are changed; `pieces` are put in, or put in the place of others. */
export function textChanges(pieces: readonly string[]): fc.Arbitrary<TextChange> {
  return fc.oneof(
    { weight: 1, arbitrary: edits.map((changes) => (text: string) => editedText(text, changes)) },
    {
      weight: 1,
      arbitrary: fc.tuple(fc.nat(0xffff), fc.nat(40), fc.constantFrom(...pieces)).map(
        ([at, length, piece]) =>
          (text: string) =>
            spliced(text, at, length, piece),
      ),
    },
    {
      weight: 1,
      arbitrary: fc.tuple(fc.constantFrom(...pieces), fc.constantFrom(...pieces), fc.boolean()).map(
        ([one, other, all]) =>
          (text: string) =>
            all ? text.replaceAll(one, other) : text.replace(one, () => other),
      ),
    },
  )
}

function editedText(text: string, changes: Parameters<typeof edited>[1]): string {
  return edited(Buffer.from(text, 'latin1'), changes).toString('latin1')
}

/** Up to `length` characters, half of the times none, make place for a piece. */
function spliced(text: string, at: number, length: number, piece: string): string {
  const place = at % (text.length + 1)
  return text.slice(0, place) + piece + text.slice(place + Math.max(0, length - 20))
}

/** Changes one part of a text that a separator divides. */
export function inPart(separator: string, index: number, change: TextChange): TextChange {
  return (text) => {
    const parts = text.split(separator)
    const place = index % parts.length
    return parts.with(place, change(parts[place]!)).join(separator)
  }
}

/** Changes what base64 or base64url stands for; it is written again as a good writer does. */
export function decoded(encoding: 'base64' | 'base64url', change: TextChange): TextChange {
  return (text) => {
    const octets = Buffer.from(text, encoding).toString('latin1')
    return Buffer.from(change(octets), 'latin1').toString(encoding)
  }
}

/** Moves, repeats and drops parts. */
export function partChanges(separator: string): fc.Arbitrary<TextChange> {
  return fc.array(fc.nat(5), { minLength: 1, maxLength: 6 }).map((order) => (text: string) => {
    const parts = text.split(separator)
    return order.map((index) => parts[index % parts.length]!).join(separator)
  })
}

export function changed(text: string, changes: readonly TextChange[]): string {
  return changes.reduce((sum, change) => change(sum), text)
}
