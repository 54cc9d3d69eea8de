import { SpiffeError } from '../errors.ts'
import { TAG } from './tags.ts'

/** How deep elements may be nested. A certificate needs eight levels. */
const MAX_DEPTH = 16

/** A length is written in at most this many octets, so that it stays well within a safe integer. */
const MAX_LENGTH_OCTETS = 4

const CONSTRUCTED = 0x20

export function invalidDer(message: string, options?: ErrorOptions): SpiffeError {
  return new SpiffeError('invalid-der', message, options)
}

/**
 * A cursor over DER (X.690 §10): definite lengths in the fewest octets, low tag numbers, bounded
 * depth. It copies nothing: what it returns are views on the input. Every method throws
 * {@link SpiffeError} `invalid-der` at the first octet that is not DER.
 */
export class DerReader {
  readonly #bytes: Uint8Array
  readonly #end: number
  readonly #depth: number
  #position: number

  private constructor(bytes: Uint8Array, start: number, end: number, depth: number) {
    if (depth > MAX_DEPTH) throw invalidDer(`nested deeper than ${MAX_DEPTH} levels`)
    this.#bytes = bytes
    this.#position = start
    this.#end = end
    this.#depth = depth
  }

  static of(bytes: Uint8Array): DerReader {
    // Not a Buffer: its views cost more to make.
    const plain = new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.length)
    return new DerReader(plain, 0, plain.length, 0)
  }

  get isAtEnd(): boolean {
    return this.#position === this.#end
  }

  /** The next identifier octet, or 0 (which is never one) at the end. */
  peek(): number {
    return this.isAtEnd ? 0 : this.#bytes[this.#position]!
  }

  /** Reads the next element, which must be a constructed `tag`, and returns a reader of its content. */
  enter(tag: number): DerReader {
    const end = this.#header(tag)
    const inside = new DerReader(this.#bytes, this.#position, end, this.#depth + 1)
    this.#position = end
    return inside
  }

  /** {@link enter} when the next element is a `tag`; for what ASN.1 calls OPTIONAL. */
  enterIf(tag: number): DerReader | undefined {
    return this.peek() === tag ? this.enter(tag) : undefined
  }

  /** The content octets of the next element, which has to be a `tag`. */
  content(tag: number): Uint8Array {
    const end = this.#header(tag)
    const content = this.#bytes.subarray(this.#position, end)
    this.#position = end
    return content
  }

  /** {@link content} when the next element is a `tag`. */
  contentIf(tag: number): Uint8Array | undefined {
    return this.peek() === tag ? this.content(tag) : undefined
  }

  /** The next element whole, identifier and length included; of any kind when `tag` is left out. */
  element(tag: number = this.peek()): Uint8Array {
    const start = this.#position
    this.#position = this.#header(tag)
    return this.#bytes.subarray(start, this.#position)
  }

  /** The next element whole, whose content is not used. The content of a constructed one must be DER, at every depth. */
  unread(): Uint8Array {
    const start = this.#position
    const tag = this.peek()
    if ((tag & CONSTRUCTED) === 0) return this.element(tag)
    const inside = this.enter(tag)
    while (!inside.isAtEnd) inside.unread()
    return this.#bytes.subarray(start, this.#position)
  }

  /** Asserts that nothing is left. */
  end(): void {
    if (!this.isAtEnd) throw invalidDer(`${this.#end - this.#position} trailing octets`)
  }

  /** Reads identifier and length, leaves the position at the content, and returns where that ends. */
  #header(tag: number): number {
    const start = this.#position
    if (start + 2 > this.#end) throw invalidDer('the input ends where an element is due')
    const found = this.#bytes[start]!
    if (found !== tag) throw invalidDer(`expected tag ${hex(tag)}, found ${hex(found)}`)
    assertTag(tag)
    this.#position = start + 2
    const length = this.#length(this.#bytes[start + 1]!)
    if (length > this.#end - this.#position)
      throw invalidDer('an element is longer than its parent')
    return this.#position + length
  }

  /** The length that `first` begins; steps over its further octets. */
  #length(first: number): number {
    // X.690 §10.1: the definite form, in the fewest octets.
    if (first < 0x80) return first
    if (first === 0x80) throw invalidDer('a length is indefinite')
    const octets = first & 0x7f
    if (octets > MAX_LENGTH_OCTETS) throw invalidDer(`a length takes ${octets} octets`)
    if (octets > this.#end - this.#position) throw invalidDer('the input ends within a length')
    let length = 0
    for (let index = 0; index < octets; index += 1) {
      length = length * 256 + this.#bytes[this.#position + index]!
    }
    this.#position += octets
    const fewest = length < 0x80 ? 0 : Math.ceil((32 - Math.clz32(length)) / 8)
    if (octets !== fewest) throw invalidDer('a length is not written in the fewest octets')
    return length
  }
}

function assertTag(tag: number): void {
  if (tag === 0) throw invalidDer('tag 00 is reserved')
  // X.509 has no tag number above 30, hence no identifier of several octets.
  if ((tag & 0x1f) === 0x1f) throw invalidDer('a tag number takes several octets')
  const isUniversal = tag < 0x40
  const isConstructed = (tag & CONSTRUCTED) !== 0
  const isList = (tag | CONSTRUCTED) === TAG.sequence || (tag | CONSTRUCTED) === TAG.set
  if (isUniversal && isConstructed !== isList) {
    // X.690 §10.2: strings are primitive.
    throw invalidDer(`tag ${hex(tag)} is constructed the wrong way`)
  }
}

function hex(octet: number): string {
  return octet.toString(16).padStart(2, '0')
}
