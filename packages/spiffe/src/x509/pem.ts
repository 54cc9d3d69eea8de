import { SpiffeError } from '../errors.ts'

/** One block of a PEM file (RFC 7468). */
export interface PemBlock {
  readonly label: string
  readonly der: Buffer
}

const BEGIN = /^-----BEGIN ([A-Z0-9 ]{1,64})-----$/
const BASE64 = /^[A-Za-z0-9+/]*={0,2}$/
const LINE_LENGTH = 64

/**
 * The blocks with one of the `labels`, in order. Text between blocks and blocks with other labels
 * are passed over, as RFC 7468 §2 allows.
 * @throws {@link SpiffeError} `invalid-pem`; its message never quotes the input
 */
export function readPem(pem: string | Uint8Array, labels: ReadonlySet<string>): PemBlock[] {
  const text = typeof pem === 'string' ? pem : Buffer.from(pem).toString('latin1')
  const lines = text.split(/\r?\n|\r/)
  const blocks: PemBlock[] = []
  for (let at = 0; at < lines.length; at += 1) {
    const label = BEGIN.exec(lines[at]!.trim())?.[1]
    if (label === undefined) continue
    const begin = at
    while (lines[at]?.trim() !== `-----END ${label}-----`) {
      at += 1
      if (at === lines.length) throw invalidPem(`the block ${label} does not end`)
    }
    if (labels.has(label)) blocks.push({ label, der: decode(label, lines.slice(begin + 1, at)) })
  }
  return blocks
}

/** Writes one block, with a line break at its end. */
export function writePem(label: string, der: Uint8Array): string {
  const base64 = Buffer.from(der).toString('base64')
  const lines = base64.match(new RegExp(`.{1,${LINE_LENGTH}}`, 'g')) ?? []
  return [`-----BEGIN ${label}-----`, ...lines, `-----END ${label}-----`, ''].join('\n')
}

function decode(label: string, lines: readonly string[]): Buffer {
  const base64 = lines.join('').replaceAll(/[ \t]/g, '')
  if (base64 === '' || base64.length % 4 !== 0 || !BASE64.test(base64)) {
    // Also what "Proc-Type: 4,ENCRYPTED" headers run into.
    throw invalidPem(`the block ${label} is not base64`)
  }
  return Buffer.from(base64, 'base64')
}

function invalidPem(message: string): SpiffeError {
  return new SpiffeError('invalid-pem', message)
}
