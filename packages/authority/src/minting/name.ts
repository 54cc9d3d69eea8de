import { der, objectIdentifier, SEQUENCE, SET } from './der.ts'

const PRINTABLE_STRING = 0x13

const ATTRIBUTE_TYPES: ReadonlyMap<string, string> = new Map([
  ['CN', '2.5.4.3'],
  ['C', '2.5.4.6'],
  ['L', '2.5.4.7'],
  ['ST', '2.5.4.8'],
  ['O', '2.5.4.10'],
  ['OU', '2.5.4.11'],
])

/** An attribute whose value is a PrintableString, without escapes and quotes. */
const PLAIN =
  /^ ?(?<type>[A-Z]+|2\.5\.4\.\d+)=(?<value>[A-Za-z0-9'().:/?-](?:[A-Za-z0-9 '().:/?-]*[A-Za-z0-9'().:/?-])?)$/

/** Encodes a distinguished name in the notation of RFC 4514, in the order in which it is written. */
export async function encodeName(name: string): Promise<Buffer> {
  if (name === '') return der(SEQUENCE)
  const attributes = name.split(',').map(plainAttribute)
  if (attributes.every((attribute) => attribute !== null)) return der(SEQUENCE, ...attributes)
  // With escapes, several values or other alphabets. It takes long to load.
  const { Name } = await import('./x509.ts')
  return Buffer.from(new Name(name).toArrayBuffer())
}

function plainAttribute(text: string): Buffer | null {
  const { type = '', value = '' } = PLAIN.exec(text)?.groups ?? {}
  const oid = type.startsWith('2') ? type : ATTRIBUTE_TYPES.get(type)
  if (oid === undefined) return null
  return der(SET, der(SEQUENCE, objectIdentifier(oid), der(PRINTABLE_STRING, value)))
}
