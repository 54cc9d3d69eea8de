import { readObjectIdentifier } from '../der/object-identifier.ts'
import { DerReader, invalidDer } from '../der/reader.ts'
import { TAG } from '../der/tags.ts'
import { hexadecimal, latin1, sameBytes } from './bytes.ts'

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/** Of a value that is not all ASCII. Whoever sends a name chooses it, and to normalize takes the square of its length. */
const MAX_NORMALIZED_BYTES = 512

const EMAIL_ADDRESS = '1.2.840.113549.1.9.1'

/** The distinguished name of an issuer or a subject. */
export class Name {
  /** The DER, as signed. */
  readonly raw: Uint8Array
  /** Equal for names that RFC 5280 §7.1 calls equal: what to key a `Map` with. */
  readonly key: string

  private constructor(raw: Uint8Array) {
    this.raw = raw
    this.key = comparisonKey(raw)
    Object.freeze(this)
  }

  /** @throws {@link SpiffeError} `invalid-der` */
  static read(reader: DerReader): Name {
    return new Name(reader.element(TAG.sequence))
  }

  get isEmpty(): boolean {
    return this.key === ''
  }

  /** The mailboxes among its attributes (RFC 5280 §4.1.2.6), octet for octet. */
  get emailAddresses(): readonly string[] {
    const addresses: string[] = []
    const name = DerReader.of(this.raw).enter(TAG.sequence)
    while (!name.isAtEnd) {
      const relative = name.enter(TAG.set)
      while (!relative.isAtEnd) {
        const attribute = relative.enter(TAG.sequence)
        if (readObjectIdentifier(attribute) !== EMAIL_ADDRESS) continue
        addresses.push(latin1(attribute.content(attribute.peek())))
      }
    }
    return addresses
  }

  /**
   * Whether both are the same name: the same octets, or attributes that differ only in string
   * type, case and the amount of white space (RFC 5280 §7.1).
   */
  equals(other: Name): boolean {
    return sameBytes(this.raw, other.raw) || this.key === other.key
  }
}

function comparisonKey(raw: Uint8Array): string {
  const reader = DerReader.of(raw)
  const name = reader.enter(TAG.sequence)
  reader.end()
  let key = ''
  while (!name.isAtEnd) key += `${relativeNameKey(name.enter(TAG.set))};`
  return key
}

/** RFC 5280 §7.1: a relative name is a set, its attributes match in any order. */
function relativeNameKey(attributes: DerReader): string {
  const keys: string[] = []
  while (!attributes.isAtEnd) {
    const attribute = attributes.enter(TAG.sequence)
    const type = readObjectIdentifier(attribute)
    const value = valueKey(attribute)
    attribute.end()
    // The length keeps two attributes from reading like one.
    keys.push(`${type}=${value.length}:${value}`)
  }
  if (keys.length === 0) throw invalidDer('a relative distinguished name is empty')
  return keys.length === 1 ? keys[0]! : keys.toSorted().join('+')
}

function valueKey(attribute: DerReader): string {
  switch (attribute.peek()) {
    case TAG.utf8String:
      return fold(decodeUtf8(attribute.content(TAG.utf8String)))
    case TAG.printableString:
    case TAG.ia5String:
      return foldAscii(latin1(attribute.content(attribute.peek())))
    default:
      // RFC 5280 §7.1: other types compare octet by octet.
      return `#${hexadecimal(attribute.unread())}`
  }
}

function decodeUtf8(bytes: Uint8Array): string {
  const text = toText(bytes)
  // Every character of several octets makes the text shorter.
  const isAscii = text.length === bytes.length
  if (isAscii || bytes.length <= MAX_NORMALIZED_BYTES) return text
  throw invalidDer(`a name has a value of ${bytes.length} octets that are not all ASCII`)
}

function toText(bytes: Uint8Array): string {
  try {
    return utf8.decode(bytes)
  } catch (cause) {
    throw invalidDer('a UTF8String is not UTF-8', { cause })
  }
}

/** These types hold ASCII alone. What else stands there means nothing, and is compared as it is. */
function foldAscii(text: string): string {
  return /^\p{ASCII}*$/u.test(text) ? fold(text) : `#${text}`
}

/** The string preparation of RFC 4518: compatibility form, case folded, white space collapsed. */
function fold(text: string): string {
  return text.normalize('NFKC').toLowerCase().trim().replaceAll(/\s+/g, ' ')
}
