import {
  contextTagConstructed,
  DerReader,
  DistinguishedName,
  invalidDer,
  readObjectIdentifier,
  readOctetAlignedBitString,
  readSignatureAlgorithm,
  readWhole,
  TAG,
  type Signed,
} from '@fastify-spiffe/spiffe/internal'
import {
  readCriticalExtensions,
  readEnumerated,
  readGeneralizedTime,
  readSingleResponse,
  type SingleResponse,
} from './single-response.ts'

/** How the signer of a response names itself (RFC 6960 §4.2.2.3). */
export type ResponderId =
  | { readonly kind: 'name'; readonly name: DistinguishedName }
  | { readonly kind: 'key'; readonly keyHash: Uint8Array }

/** A response as it came: its status, and what it holds if that is success (RFC 6960 §4.2.1). */
export interface ResponseFrame {
  /** 0: successful. */
  readonly status: number
  readonly type: string | undefined
  readonly body: Uint8Array | undefined
}

/** A basic response (RFC 6960 §4.2.1). It proves nothing before it is verified. */
export interface BasicResponse extends Signed {
  readonly responderId: ResponderId
  /** Milliseconds since the epoch. */
  readonly producedAt: number
  readonly responses: readonly SingleResponse[]
  readonly nonce: Uint8Array | undefined
  /** The object identifiers of critical extensions that are not understood, those of the single responses excepted. */
  readonly critical: readonly string[]
  /** The certificates that came with it, DER. */
  readonly certificates: readonly Uint8Array[]
}

const NONCE = '1.3.6.1.5.5.7.48.1.2'
/** RFC 6960 §4.4.8: "revoked" may stand for a certificate that was never issued. */
const EXTENDED_REVOKE = '1.3.6.1.5.5.7.48.1.9'

/** A responder needs one, and some send the chain above it. */
const MAX_CERTIFICATES = 8

/**
 * Reads exactly one response; octets after it are refused.
 * @throws `SpiffeError` `invalid-der`
 */
export function readResponse(der: Uint8Array): ResponseFrame {
  return readWhole(der, (outer) => {
    const response = outer.enter(TAG.sequence)
    const status = readEnumerated(response)
    const wrapper = response.enterIf(contextTagConstructed(0))
    response.end()
    // RFC 6960 §4.2.1: success has them, and an error has not.
    if ((status === 0) !== (wrapper !== undefined)) {
      throw invalidDer('the status of a response and its content disagree')
    }
    if (wrapper === undefined) return { status, type: undefined, body: undefined }
    const bytes = wrapper.enter(TAG.sequence)
    wrapper.end()
    const type = readObjectIdentifier(bytes)
    const body = bytes.content(TAG.octetString)
    bytes.end()
    return { status, type, body }
  })
}

/**
 * Reads exactly one basic response; octets after it are refused. What is signed are the octets that were read.
 * @throws `SpiffeError` `invalid-der`
 */
export function readBasicResponse(der: Uint8Array): BasicResponse {
  return readWhole(der, (outer) => {
    const basic = outer.enter(TAG.sequence)
    const signed = basic.element(TAG.sequence)
    const algorithm = basic.element(TAG.sequence)
    const signature = readOctetAlignedBitString(basic)
    const certificates = readCertificates(basic.enterIf(contextTagConstructed(0)))
    basic.end()
    const data = DerReader.of(signed).enter(TAG.sequence)
    const fields = readResponseData(data)
    data.end()
    const signatureAlgorithm = readSignatureAlgorithm(algorithm)
    return { ...fields, signed, signature, signatureAlgorithm, certificates }
  })
}

function readCertificates(wrapper: DerReader | undefined): readonly Uint8Array[] {
  const certificates: Uint8Array[] = []
  if (wrapper === undefined) return certificates
  const list = wrapper.enter(TAG.sequence)
  wrapper.end()
  while (!list.isAtEnd) {
    if (certificates.length === MAX_CERTIFICATES) {
      throw invalidDer(`more than ${MAX_CERTIFICATES} certificates`)
    }
    certificates.push(list.element(TAG.sequence))
  }
  return certificates
}

type ResponseData = Omit<BasicResponse, keyof Signed | 'certificates'>

function readResponseData(data: DerReader): ResponseData {
  // X.690 §11.5: version 1, the default and the only one, is not written.
  if (data.peek() === contextTagConstructed(0)) throw invalidDer('the version is written')
  const responderId = readResponderId(data)
  const producedAt = readGeneralizedTime(data)
  const list = data.enter(TAG.sequence)
  const responses: SingleResponse[] = []
  while (!list.isAtEnd) responses.push(readSingleResponse(list))
  let nonce: Uint8Array | undefined
  const critical = readCriticalExtensions(data.enterIf(contextTagConstructed(1)), (type, value) => {
    if (type === NONCE) nonce = value
    return type === NONCE || type === EXTENDED_REVOKE ? true : undefined
  })
  return { responderId, producedAt, responses, nonce, critical }
}

function readResponderId(data: DerReader): ResponderId {
  const byName = data.enterIf(contextTagConstructed(1))
  if (byName !== undefined) {
    const name = DistinguishedName.read(byName)
    byName.end()
    return { kind: 'name', name }
  }
  const byKey = data.enter(contextTagConstructed(2))
  const keyHash = byKey.content(TAG.octetString)
  byKey.end()
  return { kind: 'key', keyHash }
}
