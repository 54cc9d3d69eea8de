import { invalidDer, type DerReader } from '../der/reader.ts'
import { contextTag, contextTagConstructed } from '../der/tags.ts'
import { latin1 } from './bytes.ts'

const URI_TAG: number = contextTag(6)

/** RFC 5280 §4.2.1.6: the choices of a GeneralName. */
const TAGS: ReadonlySet<number> = new Set([
  contextTagConstructed(0), // otherName
  contextTag(1), // rfc822Name
  contextTag(2), // dNSName
  contextTagConstructed(3), // x400Address
  contextTagConstructed(4), // directoryName
  contextTagConstructed(5), // ediPartyName
  URI_TAG,
  contextTag(7), // iPAddress
  contextTag(8), // registeredID
])

/** Reads one GeneralName: the text of a URI, `undefined` for any other kind. */
export function readUriName(reader: DerReader): string | undefined {
  const tag = reader.peek()
  if (!TAGS.has(tag)) throw invalidDer('a general name is of no known kind')
  const content = reader.content(tag)
  return tag === URI_TAG ? ia5Text(content) : undefined
}

/** The octets of an IA5String, one character each: what was signed is what is read. */
function ia5Text(content: Uint8Array): string {
  if (content.some((octet) => octet >= 0x80)) throw invalidDer('an IA5String is not ASCII')
  return latin1(content)
}
