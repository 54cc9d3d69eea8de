import { types } from 'node:util'
import { SpiffeError } from '../errors.ts'
import { assertNoBlockIsLost, assertText, lackOf, labelForMessage } from './pem-diagnosis.ts'
import type { PemKind } from './pem-kinds.ts'

/** One block of a PEM file (RFC 7468). */
export interface PemBlock {
  readonly label: string
  readonly der: Buffer
}

interface RawBlock {
  readonly label: string
  readonly lines: readonly string[]
}

const BOUNDARY = /^-----(BEGIN|END) ([A-Z0-9 .#/]{1,64})-----$/
const BASE64 = /^[A-Za-z0-9+/]*={0,2}$/
const LINE_LENGTH = 64

/**
 * The blocks of one kind, in order, and at least one. Text between blocks and blocks of other kinds
 * are passed over, as RFC 7468 §2 allows. A string and its UTF-8 octets read alike, with and without
 * byte order marks.
 *
 * What could hide a block of the kind is refused: a file without one, an empty file, octets that
 * are not text, a boundary that is damaged, a block without its end, and one whose label means the
 * same but is not read. A revocation list that is overlooked would revoke nobody.
 *
 * @throws {@link SpiffeError} `invalid-pem`, and `invalid-key` for a key that is encrypted; a message
 *   never quotes the input
 */
export function readPem(pem: string | Uint8Array, kind: PemKind): PemBlock[] {
  const text = toText(pem)
  const blocks = rawBlocks(text.split(/\r?\n|\r/))
  const labels = blocks.map(({ label }) => label)
  assertNoBlockIsLost(labels, kind)
  const wanted = blocks.filter(({ label }) => kind.labels.includes(label))
  if (wanted.length > 0) return wanted.map(decode)
  throw invalidPem(lackOf(kind, text, labels))
}

/** Writes one block, with a line break at its end. */
export function writePem(label: string, der: Uint8Array): string {
  const base64 = Buffer.from(der).toString('base64')
  const lines = base64.match(new RegExp(`.{1,${LINE_LENGTH}}`, 'g')) ?? []
  return [`-----BEGIN ${label}-----`, ...lines, `-----END ${label}-----`, ''].join('\n')
}

function toText(pem: unknown): string {
  if (typeof pem !== 'string' && !types.isUint8Array(pem)) {
    throw invalidPem('PEM must be a string or a Uint8Array')
  }
  const text = typeof pem === 'string' ? pem : Buffer.from(pem).toString('utf8')
  assertText(typeof pem === 'string' ? text : pem, text)
  return text
}

function rawBlocks(lines: readonly string[]): RawBlock[] {
  const blocks: RawBlock[] = []
  let open: { readonly label: string; readonly begin: number } | undefined
  for (const [index, line] of lines.entries()) {
    // Trims byte order marks too: files that were joined have them in the middle.
    const content = line.trim()
    const boundary = readBoundary(content, open !== undefined)
    if (boundary === undefined) {
      if (open === undefined && STRAY_DER.test(content)) throw strayDer()
      continue
    }
    const { verb, label } = boundary
    if (verb === 'BEGIN') {
      if (open !== undefined) throw endless(open.label)
      open = { label, begin: index }
    } else {
      if (open === undefined) throw invalidPem(`a block ${labelForMessage(label)} does not begin`)
      if (open.label !== label) throw endless(open.label)
      blocks.push({ label, lines: lines.slice(open.begin + 1, index) })
      open = undefined
    }
  }
  if (open !== undefined) throw endless(open.label)
  return blocks
}

/** How the Base64 of a SEQUENCE of more than 127 octets begins, and no other text of that length. */
const STRAY_DER = /^MI[A-Za-z0-9+/]{40,}={0,2}$/

function strayDer(): SpiffeError {
  return invalidPem('Base64 stands outside of a block: give it its lines BEGIN and END')
}

interface Boundary {
  readonly verb: string
  readonly label: string
}

/** A line with five hyphens and the word is meant as a boundary, and so is one with other dashes. */
const LOOKS_LIKE_BOUNDARY = /-----\s*(?:BEGIN|END)\b|^[-‐-―−_=]+\s*(?:BEGIN|END)\b.*[-‐-―−_=]$/i

function readBoundary(line: string, isInBlock: boolean): Boundary | undefined {
  const [, verb, label] = BOUNDARY.exec(line) ?? []
  if (verb !== undefined && label !== undefined) return { verb, label }
  if (!LOOKS_LIKE_BOUNDARY.test(line)) return undefined
  // Commented out on purpose.
  if (!isInBlock && line.startsWith('#')) return undefined
  if (/\\[nr]/.test(line)) {
    throw invalidPem('its line breaks are written as the two characters \\n: put real ones')
  }
  throw invalidPem(
    'a line that looks like a boundary is none: BEGIN and END, with five hyphens around, each take a line of their own',
  )
}

function decode({ label, lines }: RawBlock): PemBlock {
  const base64 = lines.join('').replaceAll(/[ \t]/g, '')
  // RFC 1421 §4.6.1.1: how OpenSSL writes SEC 1 and PKCS#1 keys under a passphrase.
  if (lines.some((line) => /^Proc-Type:.*ENCRYPTED/i.test(line.trim()))) throw encryptedKey()
  // RFC 7468 §2: unlike those of RFC 1421, blocks have no headers.
  if (lines.some((line) => line.includes(':'))) {
    throw invalidPem(`the block ${labelForMessage(label)} has headers, which are not read`)
  }
  if (base64 === '' || base64.length % 4 !== 0 || !BASE64.test(base64) || hasStrayBits(base64)) {
    throw invalidPem(`the block ${labelForMessage(label)} is not base64`)
  }
  return { label, der: Buffer.from(base64, 'base64') }
}

/** RFC 4648 §3.5: bits after the last octet are zero. */
function hasStrayBits(base64: string): boolean {
  const last = base64.slice(-4)
  return Buffer.from(last, 'base64').toString('base64') !== last
}

/** What is said of a key under a passphrase, however it is written. */
export function encryptedKey(): SpiffeError {
  const message = 'the private key is encrypted: decrypt it first, for example with "openssl pkey"'
  return new SpiffeError('invalid-key', message)
}

function endless(label: string): SpiffeError {
  return invalidPem(`the block ${labelForMessage(label)} does not end`)
}

function invalidPem(message: string): SpiffeError {
  return new SpiffeError('invalid-pem', message)
}
