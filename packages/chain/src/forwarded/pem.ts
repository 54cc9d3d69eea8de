import { decodeBase64 } from '@fastify-spiffe/spiffe/internal'
import { isOneElement } from '../wire/der.ts'

/** How many certificates `Chain` has at most. */
const MAX_CERTIFICATES = 16
const BEGIN = '-----BEGIN%20CERTIFICATE-----%0A'
const END = '-----END%20CERTIFICATE-----%0A'
const LINE_OCTETS = 64

/**
 * Reads percent-encoded PEM as Envoy writes it: LF, SP, `+`, `/` and `=` encoded, in upper case, and nothing else. `null` for any
 * other text: it is written again and compared, so that there is no second way to read it.
 */
export function readEncodedPem(text: string): readonly Buffer[] | null {
  const complete = text.endsWith('%0A') ? text : `${text}%0A`
  const blocks = complete.split(END, MAX_CERTIFICATES + 2)
  if (blocks.pop() !== '' || blocks.length === 0 || blocks.length > MAX_CERTIFICATES) return null
  const ders: Buffer[] = []
  for (const block of blocks) {
    const der = readBlock(block)
    if (der === null || !isOneElement(der)) return null
    ders.push(der)
  }
  return ders.map(writeEncodedPem).join('') === complete ? ders : null
}

function readBlock(block: string): Buffer | null {
  if (!block.startsWith(BEGIN)) return null
  const base64 = block
    .slice(BEGIN.length)
    .replaceAll('%0A', '')
    .replaceAll('%2B', '+')
    .replaceAll('%2F', '/')
    .replaceAll('%3D', '=')
  return decodeBase64(base64)
}

function writeEncodedPem(der: Buffer): string {
  const base64 = der.toString('base64')
  const lines: string[] = []
  for (let start = 0; start < base64.length; start += LINE_OCTETS) {
    lines.push(encodeURIComponent(`${base64.slice(start, start + LINE_OCTETS)}\n`))
  }
  return `${BEGIN}${lines.join('')}${END}`
}
