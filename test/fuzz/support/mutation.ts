import * as fc from 'fast-check'

/** One change of a sequence of bytes. Positions wrap around, so that every edit fits every sequence. */
export interface Edit {
  readonly kind: (typeof KINDS)[number]
  readonly at: number
  readonly value: number
  readonly bytes: Uint8Array
}

const KINDS = ['flip', 'set', 'delete', 'insert', 'repeat', 'cut'] as const

/** Octets at which readers turn: tags, lengths, ends of ranges. */
const TELLING = [0x00, 0x01, 0x7f, 0x80, 0x81, 0x82, 0x84, 0x88, 0xfe, 0xff, 0x30, 0x31, 0xa0, 0xa3]

const octet = fc.oneof(fc.constantFrom(...TELLING), fc.integer({ min: 0, max: 255 }))

const edit: fc.Arbitrary<Edit> = fc.record({
  kind: fc.constantFrom(...KINDS),
  at: fc.nat(0xffff),
  value: octet,
  bytes: fc.array(octet, { minLength: 1, maxLength: 6 }).map((octets) => Uint8Array.from(octets)),
})

/** A few edits, one mostly. */
export const edits: fc.Arbitrary<readonly Edit[]> = fc.oneof(
  { weight: 3, arbitrary: fc.tuple(edit) },
  { weight: 1, arbitrary: fc.array(edit, { minLength: 2, maxLength: 5 }) },
)

/** A changed copy. */
export function edited(original: Uint8Array, changes: readonly Edit[]): Buffer {
  let bytes: Buffer = Buffer.from(original)
  for (const change of changes) bytes = editedOnce(bytes, change)
  return bytes
}

function editedOnce(bytes: Buffer, { kind, at, value, bytes: more }: Edit): Buffer {
  const place = bytes.length === 0 ? 0 : at % bytes.length
  const old = bytes[place] ?? 0
  const [before, after] = [bytes.subarray(0, place), bytes.subarray(place)]
  switch (kind) {
    case 'flip':
      return Buffer.concat([before, Uint8Array.of(old ^ (1 << (value % 8))), after.subarray(1)])
    case 'set':
      return Buffer.concat([before, Uint8Array.of(value), after.subarray(1)])
    case 'delete':
      return Buffer.concat([before, after.subarray(1 + (value % 4))])
    case 'insert':
      return Buffer.concat([before, more, after])
    case 'repeat':
      return Buffer.concat([before, after.subarray(0, 1 + value), after])
    case 'cut':
    default:
      return Buffer.from(before)
  }
}
