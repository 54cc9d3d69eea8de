import { SpiffeError } from '../errors.ts'
import type { PemKind } from './pem-kinds.ts'

/** The labels that a message may name. Any other text of a file stays in the file. */
const KNOWN_LABELS: ReadonlySet<string> = new Set([
  'CERTIFICATE',
  'X509 CERTIFICATE',
  'TRUSTED CERTIFICATE',
  'CERTIFICATE REQUEST',
  'X509 CRL',
  'CRL',
  'PKCS7',
  'CMS',
  'PUBLIC KEY',
  'PRIVATE KEY',
  'ENCRYPTED PRIVATE KEY',
  'EC PRIVATE KEY',
  'RSA PRIVATE KEY',
  'OPENSSH PRIVATE KEY',
  'EC PARAMETERS',
])

/** A label for a message: itself when everybody knows it, else a word for it. */
export function labelForMessage(label: string): string {
  return KNOWN_LABELS.has(label) ? label : 'with another label'
}

/**
 * Refuses what is not text: DER or UTF-16 before or between the blocks of other files would be
 * skipped like any text around them.
 * @throws {@link SpiffeError} `invalid-pem`
 */
export function assertText(input: string | Uint8Array, text: string): void {
  if (isUtf16(input, text)) throw invalidPem('it is UTF-16: save it as UTF-8')
  if (isDer(text)) throw invalidPem('it looks like DER: convert it to PEM')
  if (CONTROLS.test(text)) {
    throw invalidPem('it is not text: convert DER and other binary formats to PEM')
  }
}

/** Those of ASCII that no text file has; nearly every tag and short length of DER is one of them. */
// oxlint-disable-next-line no-control-regex -- these characters are what is looked for
const CONTROLS = /[\0-\u0008\u000e-\u0019\u001c-\u001f]/

function isUtf16(input: string | Uint8Array, text: string): boolean {
  const [first, second] =
    typeof input === 'string' ? [input.charCodeAt(0), input.charCodeAt(1)] : input
  if ((first === 0xff && second === 0xfe) || (first === 0xfe && second === 0xff)) return true
  return text.includes('-\0-\0-\0') || text.includes('\0-\0-\0-')
}

/**
 * Refuses blocks that may hold what is wanted under a label that is not read.
 * @throws {@link SpiffeError} `invalid-pem`
 */
export function assertNoBlockIsLost(
  labels: readonly string[],
  { name, unread, labels: read }: PemKind,
): void {
  const lost = labels.find((label) => !read.includes(label) && unread.test(label))
  if (lost === undefined) return
  const [wanted] = read
  throw invalidPem(
    `a block ${labelForMessage(lost)} may be ${name}, but is not read: convert it to ${wanted}`,
  )
}

/** Why a text has no block of the kind: what it looks like instead. */
export function lackOf(
  { name, labels: read }: PemKind,
  text: string,
  labels: readonly string[],
): string {
  const [wanted] = read
  const lack = `the PEM is to hold ${name} (${wanted})`
  if (labels.length > 0) {
    const found = [...new Set(labels.map(labelForMessage))].slice(0, 5)
    return `${lack}, and holds only a block ${found.join(', a block ')}`
  }
  const content = text.replaceAll('\ufeff', '').trim()
  if (content === '') return `${lack}, and is empty`
  if (/^[\sA-Za-z0-9+/=]{64,}$/.test(content)) {
    return `${lack}, and looks like Base64 without its line BEGIN ${wanted}`
  }
  return `${lack}, and holds text without a line BEGIN ${wanted}`
}

/** An ASN.1 SEQUENCE of more than 127 octets, or whatever of it came through as text. */
function isDer(text: string): boolean {
  return /^0[\u0080-\u0084\ufffd]/.test(text)
}

function invalidPem(message: string): SpiffeError {
  return new SpiffeError('invalid-pem', message)
}
