import { readObjectIdentifier } from '../der/object-identifier.ts'
import { invalidDer, type DerReader } from '../der/reader.ts'
import { TAG } from '../der/tags.ts'
import { readFlag } from '../der/values.ts'

/** Takes one extension: its object identifier, dotted, and the content of its octet string. */
export type TakeExtension = (type: string, critical: boolean, value: Uint8Array) => void

/**
 * Reads the `Extensions` of a certificate, of a revocation list or of an entry in one. An extension
 * that occurs twice is refused.
 * @throws {@link SpiffeError} `invalid-der`
 */
export function readExtensionList(list: DerReader, take: TakeExtension): void {
  if (list.isAtEnd) throw invalidDer('the list of extensions is empty')
  const seen = new Set<string>()
  while (!list.isAtEnd) {
    const element = list.enter(TAG.sequence)
    const type = readObjectIdentifier(element)
    const critical = readFlag(element)
    const value = element.content(TAG.octetString)
    element.end()
    // RFC 5280 §4.2: none occurs twice.
    if (seen.has(type)) throw invalidDer(`extension ${type} occurs twice`)
    seen.add(type)
    take(type, critical, value)
  }
}
