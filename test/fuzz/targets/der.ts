import { SpiffeError } from '@fastify-spiffe/spiffe'
import * as fc from 'fast-check'
import { readCorpus } from '../corpus/corpus.ts'
import { mutatedBytes } from '../support/bytes.ts'
import { DER, derLength } from '../support/der.ts'
import {
  internal,
  type DerReaderModule,
  type DerTimeModule,
  type DerValuesModule,
  type ObjectIdentifierModule,
} from '../support/internals.ts'
import { outcomeOf } from '../support/own-error.ts'
import { check, type Target } from '../support/target.ts'

type Reader = ReturnType<DerReaderModule['DerReader']['of']>

const CONSTRUCTED = 0x20
const UTC_TIME = 0x17

const HEADS = [
  '3080',
  '3084ffffffff',
  '30847fffffff',
  '3085ffffffffff',
  '308100',
  '30817f',
  '30820080',
  '3003',
  '3000',
  '0500',
  '0101ff',
  '010100',
  '010101',
  '0201ff',
  '02020001',
  '0202ffff',
  '03020780',
  '03020880',
  '030100',
  '0300',
  '0603551d11',
  '060180',
  '06028001',
  '0600',
  '00',
  '1f8101',
  '3f01',
  'a00a',
  '170d3236303630313132303030305a',
  '170d3236303233303132303030305a',
  '180f32303530303130313030303030305a',
  '180f32303439303130313030303030305a',
  '180f30303439303130313030303030305a',
  '2400',
  '1000',
].map((hex) => Buffer.from(hex, 'hex'))

const pieces: fc.Arbitrary<Uint8Array> = fc
  .array(fc.oneof(fc.constantFrom(...HEADS), fc.uint8Array({ maxLength: 8 })), { maxLength: 8 })
  .map((parts) => Buffer.concat(parts))

/** A piece inside ever more sequences: up to a thousand, which is far beyond what is read. */
const nested: fc.Arbitrary<Uint8Array> = fc.tuple(fc.nat(1000), pieces).map(([depth, piece]) => {
  const heads: Uint8Array[] = [piece]
  let length = piece.length
  for (let level = 0; level < depth; level += 1) {
    const head = Buffer.concat([Uint8Array.of(0x30), derLength(length)])
    heads.unshift(head)
    length += head.length
  }
  return Buffer.concat(heads)
})

export async function openDer(): Promise<Target<Uint8Array>> {
  const { DerReader } = await internal<DerReaderModule>('spiffe/dist/der/reader.js')
  const values = await internal<DerValuesModule>('spiffe/dist/der/values.js')
  const { readTime } = await internal<DerTimeModule>('spiffe/dist/der/time.js')
  const { readObjectIdentifier } = await internal<ObjectIdentifierModule>(
    'spiffe/dist/der/object-identifier.js',
  )
  const { chains } = readCorpus()
  return {
    inputs: fc.oneof(
      { weight: 3, arbitrary: pieces },
      { weight: 1, arbitrary: nested },
      {
        weight: 1,
        arbitrary: mutatedBytes(
          chains.map(({ authority }) => authority),
          DER,
        ),
      },
    ),
    read(bytes) {
      for (const read of [
        values.readBoolean,
        values.readInteger,
        values.readSmallInteger,
        (reader: Reader) => values.readBitString(reader),
        values.readOctetAlignedBitString,
      ]) {
        outcomeOf(SpiffeError, () => void read(DerReader.of(bytes)))
      }
      outcomeOf(SpiffeError, () => checkTime(bytes, readTime(DerReader.of(bytes))))
      outcomeOf(SpiffeError, () =>
        checkObjectIdentifier(bytes, readObjectIdentifier(DerReader.of(bytes))),
      )
      return outcomeOf(SpiffeError, () => {
        const written = writeAll(DerReader.of(bytes))
        check(written.equals(bytes), 'what was read is written in another way, so it is no DER')
      })
    },
    bytesOf: (bytes) => bytes,
    [Symbol.asyncDispose]: () => Promise.resolve(),
  }
}

/** Reads everything, and writes it as DER has to be. */
function writeAll(reader: Reader): Buffer {
  const parts: Uint8Array[] = []
  while (!reader.isAtEnd) {
    const tag = reader.peek()
    const content = (tag & CONSTRUCTED) === 0 ? reader.content(tag) : writeAll(reader.enter(tag))
    parts.push(Uint8Array.of(tag), derLength(content.length), content)
  }
  return Buffer.concat(parts)
}

/** RFC 5280 §4.1.2.5: there is one way to write a time as UTCTime, from 1950 through 2049, and one as GeneralizedTime. */
function checkTime(bytes: Uint8Array, time: number): void {
  const iso = new Date(time).toISOString().replaceAll(/[-:T]|\.000/g, '')
  const isUtcTime = bytes[0] === UTC_TIME
  check(!isUtcTime || (iso >= '1950' && iso < '2050'), `a UTCTime is read as ${iso}`)
  const text = isUtcTime ? iso.slice(2) : iso
  const read = Buffer.from(bytes.subarray(2, 2 + text.length)).toString('latin1')
  check(read === text, `a time is read as ${iso}`)
}

/** X.690 §8.19: there is one way to write an OBJECT IDENTIFIER. */
function checkObjectIdentifier(bytes: Uint8Array, dotted: string): void {
  const [first = 0n, second = 0n, ...others] = dotted.split('.').map(BigInt)
  const octets = [first * 40n + second, ...others].flatMap(base128)
  const read = bytes.subarray(2, 2 + octets.length)
  check(Buffer.from(octets).equals(read), `an OBJECT IDENTIFIER is read as ${dotted}`)
}

function base128(arc: bigint): number[] {
  const octets = [Number(arc % 128n)]
  for (let rest = arc / 128n; rest > 0n; rest /= 128n) octets.unshift(Number(rest % 128n) + 128)
  return octets
}
