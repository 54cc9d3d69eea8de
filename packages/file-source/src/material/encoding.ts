import { splitCertificates } from '@fastify-spiffe/spiffe'
import { writePem } from '@fastify-spiffe/spiffe/internal'

/** How the tag of an ASN.1 SEQUENCE is written; as text it is the digit 0. */
const SEQUENCE = 0x30
const PEM_BOUNDARY = '-----BEGIN'
const BYTE_ORDER_MARK = /^\ufeff/

/** What a file may hold. */
export type Encoding = 'pem' | 'der' | 'json'

/** How a file is written. What is neither DER nor JSON has to be PEM, and the reader of PEM says why it is not. */
export function encodingOf(content: Buffer): Encoding {
  // PEM may have text before its first block, and a name in DER may look like one.
  if (content[0] === SEQUENCE && !content.includes(PEM_BOUNDARY)) return 'der'
  const start = content.toString('utf8', 0, 1024).replace(BYTE_ORDER_MARK, '').trimStart()
  return start.startsWith('{') ? 'json' : 'pem'
}

/** Certificates in DER, one after the other, as PEM; PEM stays as it is. */
export function certificatesAsPem(content: Buffer): string | Buffer {
  if (encodingOf(content) !== 'der') return content
  return splitCertificates(content)
    .map(({ raw }) => writePem('CERTIFICATE', raw))
    .join('')
}

/** A PKCS#8 key in DER as PEM; PEM stays as it is. */
export function keyAsPem(content: Buffer): string | Buffer {
  return encodingOf(content) === 'der' ? writePem('PRIVATE KEY', content) : content
}
