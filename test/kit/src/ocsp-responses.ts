import { hash, sign, type KeyObject } from 'node:crypto'
import type { MintedCa, MintedCertificate } from '@fastify-spiffe/authority'
import { Certificate } from '@fastify-spiffe/spiffe'

/** One element of DER, of up to 65,535 octets. */
export function der(tag: number, ...contents: readonly Uint8Array[]): Buffer {
  const content = Buffer.concat(contents)
  const { length } = content
  if (length < 0x80) return Buffer.concat([Buffer.from([tag, length]), content])
  const octets = length < 0x100 ? [0x81, length] : [0x82, length >> 8, length & 0xff]
  return Buffer.concat([Buffer.from([tag, ...octets]), content])
}

export const hex = (text: string): Buffer => Buffer.from(text.replaceAll(' ', ''), 'hex')

const NOTHING = Buffer.alloc(0)
const NULL = hex('05 00')
const SHA1 = der(0x30, hex('06 05 2b 0e 03 02 1a'), NULL)
const SHA256 = der(0x30, hex('06 09 60 86 48 01 65 03 04 02 01'), NULL)
export const ECDSA_SHA256: Buffer = der(0x30, hex('06 08 2a 86 48 ce 3d 04 03 02'))
const BASIC = hex('06 09 2b 06 01 05 05 07 30 01 01')
export const NONCE = '06 09 2b 06 01 05 05 07 30 01 02'

/** An extension; `type` is the DER of its object identifier, in hexadecimal. */
export function extension(type: string, value: Uint8Array, critical = false): Buffer {
  return der(0x30, hex(type), critical ? hex('01 01 ff') : NOTHING, der(0x04, value))
}

export function time(ms: number): Buffer {
  const digits = new Date(ms).toISOString().replaceAll(/[-:T]|\.\d+/g, '')
  return der(0x18, Buffer.from(digits))
}

/** Who signs: the CA, or a certificate with its key. */
export interface SignerOfTest {
  readonly certificate: Certificate
  readonly privateKey: KeyObject
}

export function asSigner(minted: MintedCa | MintedCertificate): SignerOfTest {
  const { privateKey } = minted.keyPair
  const certificate =
    'certificate' in minted ? minted.certificate : Certificate.fromDer(minted.chain[0]!)
  return { certificate, privateKey }
}

/** The bits of the key: of the last of the two elements in the first one, without the number of unused bits. */
function keyBits({ publicKey }: Certificate): Buffer {
  const info = Buffer.from(publicKey.spki)
  const algorithm = contentAt(info, 0)
  const bits = contentAt(info, contentAt(info, algorithm.start).end)
  return info.subarray(bits.start + 1, bits.end)
}

function contentAt(bytes: Buffer, position: number): { start: number; end: number } {
  const first = bytes[position + 1]!
  const octets = first < 0x80 ? 0 : first & 0x7f
  const length = octets === 0 ? first : bytes.readUIntBE(position + 2, octets)
  const start = position + 2 + octets
  return { start, end: start + length }
}

export interface SingleDraft {
  readonly certificate: Certificate
  readonly issuer: Certificate
  readonly hash?: 'sha1' | 'sha256'
  /** The content octets of the serial number. */
  readonly serial?: Buffer
  /** Stands behind the serial number. */
  readonly afterSerial?: Buffer
  readonly status?: Buffer
  /** In ms, or an element as it is. */
  readonly thisUpdate?: number | Buffer
  /** `null`: none. */
  readonly nextUpdate?: number | null
  readonly extensions?: readonly Buffer[]
  /** Stands behind all else. */
  readonly after?: Buffer
}

export const GOOD: Buffer = hex('80 00')
export const UNKNOWN: Buffer = hex('82 00')

/** The status of a certificate that was revoked, by the number of the reason. */
export function revoked(at: number, reason?: number): Buffer {
  const why = reason === undefined ? NOTHING : der(0xa0, Buffer.from([0x0a, 0x01, reason]))
  return der(0xa1, time(at), why)
}

export function certId({ certificate, issuer, ...draft }: SingleDraft): Buffer {
  const algorithm = draft.hash ?? 'sha1'
  const digits = certificate.serialNumber
  const serial =
    draft.serial ??
    Buffer.from(Number.parseInt(digits[0]!, 16) >= 8 ? `00${digits}` : digits, 'hex')
  return der(
    0x30,
    algorithm === 'sha1' ? SHA1 : SHA256,
    der(0x04, hash(algorithm, certificate.issuer.raw, 'buffer')),
    der(0x04, hash(algorithm, keyBits(issuer), 'buffer')),
    der(0x02, serial),
    draft.afterSerial ?? NOTHING,
  )
}

const HOUR = 3_600_000

export function single(draft: SingleDraft, now: number = Date.now()): Buffer {
  const { status = GOOD, thisUpdate = now - HOUR, nextUpdate = now + HOUR, extensions } = draft
  return der(
    0x30,
    certId(draft),
    status,
    typeof thisUpdate === 'number' ? time(thisUpdate) : thisUpdate,
    nextUpdate === null ? NOTHING : der(0xa0, time(nextUpdate)),
    extensions === undefined ? NOTHING : der(0xa1, der(0x30, ...extensions)),
    draft.after ?? NOTHING,
  )
}

export interface ResponseDraft {
  readonly signer: SignerOfTest
  readonly singles: readonly Buffer[]
  /** What names the signer. Default: its name. */
  readonly responderId?: 'name' | 'key' | Buffer
  readonly producedAt?: number
  /** Certificates to send, DER. Default: none. */
  readonly certificates?: readonly Buffer[]
  /** What the request asked for, echoed. */
  readonly nonce?: Uint8Array
  readonly extensions?: readonly Buffer[]
  readonly algorithm?: Buffer
  /** The hash to sign with; `null`: the algorithm brings its own. Default SHA-256. */
  readonly hash?: string | null
  readonly signature?: Buffer
  /** Stands before the responder ID. */
  readonly version?: Buffer
  /** Stands behind all else that is signed. */
  readonly afterData?: Buffer
}

function responderIdOf({ signer, responderId = 'name' }: ResponseDraft): Buffer {
  if (responderId === 'name') return der(0xa1, signer.certificate.subject.raw)
  if (responderId === 'key') {
    return der(0xa2, der(0x04, hash('sha1', keyBits(signer.certificate), 'buffer')))
  }
  return responderId
}

function responseData(draft: ResponseDraft): Buffer {
  const nonce = draft.nonce === undefined ? [] : [extension(NONCE, der(0x04, draft.nonce))]
  const extensions = [...nonce, ...(draft.extensions ?? [])]
  return der(
    0x30,
    draft.version ?? NOTHING,
    responderIdOf(draft),
    time(draft.producedAt ?? Date.now() - HOUR),
    der(0x30, ...draft.singles),
    extensions.length === 0 ? NOTHING : der(0xa1, der(0x30, ...extensions)),
    draft.afterData ?? NOTHING,
  )
}

/** A basic response, signed, without its frame. */
export function basicResponse(draft: ResponseDraft): Buffer {
  const { certificates = [], algorithm = ECDSA_SHA256, hash: digest = 'sha256' } = draft
  const data = responseData(draft)
  const signature = draft.signature ?? sign(digest, data, draft.signer.privateKey)
  return der(
    0x30,
    data,
    algorithm,
    der(0x03, Buffer.from([0]), signature),
    certificates.length === 0 ? NOTHING : der(0xa0, der(0x30, ...certificates)),
  )
}

export function framed(body: Uint8Array, type: Buffer = BASIC): Buffer {
  const bytes = der(0x30, type, der(0x04, body))
  return der(0x30, hex('0a 01 00'), der(0xa0, bytes))
}

/** A response whose status is not success, by its number. */
export const errorResponse = (status: number): Buffer =>
  der(0x30, Buffer.from([0x0a, 0x01, status]))

/** A whole response, a good one where the draft is silent. */
export function ocspResponse(draft: ResponseDraft): Buffer {
  return framed(basicResponse(draft))
}
