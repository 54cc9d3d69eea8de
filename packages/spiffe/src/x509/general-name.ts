import { readObjectIdentifier } from '../der/object-identifier.ts'
import { invalidDer, type DerReader } from '../der/reader.ts'
import { contextTag, contextTagConstructed } from '../der/tags.ts'
import { readWhole } from '../der/values.ts'
import { latin1 } from './bytes.ts'
import { Name } from './name.ts'

/** Octets of an address: IPv4, IPv6. */
const ADDRESS_OCTETS: ReadonlySet<number> = new Set([4, 16])

/** The kinds of name that are read as octets of ASCII. */
export type TextForm = 'email' | 'dns' | 'uri'

/** One name of a subject, or the base of a subtree of names (RFC 5280 §4.2.1.6, §4.2.1.10). */
export type GeneralName =
  | { readonly form: TextForm; readonly text: string }
  | { readonly form: 'ip'; readonly octets: Uint8Array }
  | { readonly form: 'directory'; readonly name: Name }
  | { readonly form: 'other' }

const OTHER: GeneralName = Object.freeze({ form: 'other' })

const TEXT_FORMS: ReadonlyMap<number, TextForm> = new Map([
  [contextTag(1), 'email'],
  [contextTag(2), 'dns'],
  [contextTag(6), 'uri'],
])
const DIRECTORY_NAME: number = contextTagConstructed(4)
const IP_ADDRESS: number = contextTag(7)

const OTHER_NAME: number = contextTagConstructed(0)

const OTHER_TAGS: ReadonlySet<number> = new Set([
  contextTagConstructed(3), // x400Address
  contextTagConstructed(5), // ediPartyName
  contextTag(8), // registeredID
])

/**
 * Reads one GeneralName.
 * @throws {@link SpiffeError} `invalid-der`
 */
export function readGeneralName(reader: DerReader): GeneralName {
  const tag = reader.peek()
  const form = TEXT_FORMS.get(tag)
  if (form !== undefined) return Object.freeze({ form, text: ia5Text(reader.content(tag)) })
  if (tag === IP_ADDRESS) return Object.freeze({ form: 'ip', octets: reader.content(tag) })
  if (tag === DIRECTORY_NAME) {
    // A CHOICE is tagged explicitly, whatever the module says.
    const name = readWhole(reader.content(tag), (inside) => Name.read(inside))
    return Object.freeze({ form: 'directory', name })
  }
  if (tag === OTHER_NAME) {
    readOtherName(reader.enter(tag))
    return OTHER
  }
  if (!OTHER_TAGS.has(tag)) throw invalidDer('a general name is of no known kind')
  reader.unread()
  return OTHER
}

/** `SEQUENCE { type-id OBJECT IDENTIFIER, value [0] EXPLICIT ANY }`. */
function readOtherName(name: DerReader): void {
  readObjectIdentifier(name)
  const value = name.enter(contextTagConstructed(0))
  name.end()
  value.unread()
  value.end()
}

/** RFC 5280 §4.2.1.6: reads a name of a subject, whose address has four octets or sixteen. */
export function readSubjectName(reader: DerReader): GeneralName {
  const name = readGeneralName(reader)
  if (name.form === 'ip' && !ADDRESS_OCTETS.has(name.octets.length)) {
    throw invalidDer(`an IP address has ${name.octets.length} octets`)
  }
  return name
}

/** The octets of an IA5String, one character each: what was signed is what is read. */
function ia5Text(content: Uint8Array): string {
  if (content.some((octet) => octet >= 0x80)) throw invalidDer('an IA5String is not ASCII')
  return latin1(content)
}
