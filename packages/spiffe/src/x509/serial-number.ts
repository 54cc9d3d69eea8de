import { invalidDer, type DerReader } from '../der/reader.ts'
import { readInteger } from '../der/values.ts'
import { hexadecimal } from './bytes.ts'

/** RFC 5280 §4.1.2.2 asks for up to 20 octets; odd issuers are read, novels are not. */
const MAX_OCTETS = 64

/** Lower-case hexadecimal without leading zero octets, as `X509Certificate` writes it in capitals. */
export function readSerialNumber(reader: DerReader): string {
  const content = readInteger(reader)
  if (content.length > MAX_OCTETS) throw invalidDer('the serial number is too long')
  if (content[0]! < 0x80) {
    return hexadecimal(content[0] === 0 && content.length > 1 ? content.subarray(1) : content)
  }
  // RFC 5280 §4.1.2.2: negative ones exist, and are to be handled gracefully.
  const magnitude = (1n << BigInt(content.length * 8)) - BigInt(`0x${hexadecimal(content)}`)
  const text = magnitude.toString(16)
  return `-${text.length % 2 === 0 ? text : `0${text}`}`
}
