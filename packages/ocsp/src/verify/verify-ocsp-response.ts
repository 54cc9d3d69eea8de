import { MAX_CLOCK_SKEW_MS, SpiffeError, type Certificate } from '@fastify-spiffe/spiffe'
import { hashOf, issuerNameHash, keyHash } from '../certificate/cert-id.ts'
import { refusal, type OcspRefusal, type OcspRefusalCode } from './refusal.ts'
import {
  readBasicResponse,
  readResponse,
  type BasicResponse,
  type ResponseFrame,
} from './response.ts'
import { verifySigner, type OcspSigner, type Subject, type TimeWindow } from './signer.ts'
import type { CertificateStatus, CertId, SingleResponse } from './single-response.ts'

/** Options of {@link verifyOcspResponse}. */
export interface VerifyOcspOptions {
  /** The time in ms since the epoch. Default `Date.now`. */
  readonly clock?: () => number
  /** How far the clock of the responder may be from ours, in ms, up to 300,000. Default 60,000. */
  readonly clockSkewMs?: number
  /**
   * How long ago `thisUpdate` may be, in ms. Whoever is on the way can replay a response for so long at most, whatever
   * its next update is. Default 864,000,000: ten days.
   */
  readonly maxAgeMs?: number
  /** The nonce of the request, 1 to 127 bytes. A response with another one is refused. Default: none was sent. */
  readonly nonce?: Uint8Array
  /** Whether a response without the nonce is refused. Many responders send none. Default `false`. */
  readonly requireNonce?: boolean
}

/** What a response that was verified says of the certificate. Frozen. */
export type OcspAnswer = CertificateStatus & {
  /** Since when the status is known to be right, in ms since the epoch. */
  readonly thisUpdate: number
  /** Until when the answer is valid, in ms since the epoch, inclusive. */
  readonly nextUpdate: number
  /** When the responder signed it, in ms since the epoch. */
  readonly producedAt: number
  /** Who signed it. */
  readonly signer: OcspSigner
}

/** What the verifier found: a verified answer, or a code and a reason. */
export type OcspVerification = { readonly ok: true; readonly answer: OcspAnswer } | OcspRefusal

/** The largest response that is read, in bytes. Most have 500 to 3,000. */
export const MAX_RESPONSE_BYTES: number = 64 * 1024
/** The default of `clockSkewMs`. */
export const DEFAULT_CLOCK_SKEW_MS = 60_000
/** The default of `maxAgeMs`: how long responses about certificates of the Web PKI may be valid. */
export const DEFAULT_MAX_AGE_MS = 864_000_000

/** RFC 9654 §2.1 allows 128; with 127 its length takes one octet. */
const MAX_NONCE_BYTES = 127
const NO_NONCE = new Uint8Array(0)

const BASIC = '1.3.6.1.5.5.7.48.1.1'

/** RFC 6960 §4.2.1; 4 is not used. */
const ERRORS: ReadonlyMap<number, readonly [OcspRefusalCode, string]> = new Map<
  number,
  readonly [OcspRefusalCode, string]
>([
  [1, ['malformed-request', 'the responder calls the request malformed']],
  [2, ['internal-error', 'the responder has an internal error']],
  [3, ['try-later', 'the responder cannot answer now']],
  [5, ['signature-required', 'the responder wants the request to be signed']],
  [6, ['unauthorized', 'the responder does not answer for this certificate']],
])

const UNKNOWN_STATUS = ['malformed', 'the status of the response is not known'] as const

/**
 * Verifies an OCSP response about a certificate (RFC 6960 §3.2): its form, its signature and who made it, the one
 * certificate that it must speak of, and its times. Synchronous; it takes two or three signature checks, and at most 18.
 *
 * It never throws because of what the response is: that is a refusal. An answer that is `revoked` or `unknown` is verified
 * all the same: what follows from it is for the caller to decide.
 *
 * @param response the DER, as it came
 * @param subject the certificate in question and the certificate of its issuer, which has to be trusted already
 * @throws `SpiffeError` `invalid-option` for a `clockSkewMs`, `maxAgeMs` or `nonce` that is out of bounds
 */
export function verifyOcspResponse(
  response: Uint8Array,
  subject: { readonly certificate: Certificate; readonly issuer: Certificate },
  options: VerifyOcspOptions = {},
): OcspVerification {
  const { clock = Date.now } = options
  const limits = limitsOf(options)
  try {
    if (response.length > MAX_RESPONSE_BYTES) {
      return refusal('too-large', `the response has ${response.length} bytes`)
    }
    const frame = readResponse(response)
    const fault = frameRefusal(frame)
    if (fault !== undefined) return fault
    return verifyBasic(readBasicResponse(frame.body!), subject, options, {
      now: clock(),
      ...limits,
    })
  } catch (error) {
    const message = error instanceof SpiffeError ? error.message : 'the response cannot be read'
    return refusal('malformed', message)
  }
}

interface Limits {
  readonly clockSkewMs: number
  readonly maxAgeMs: number
}

function limitsOf({
  clockSkewMs = DEFAULT_CLOCK_SKEW_MS,
  maxAgeMs = DEFAULT_MAX_AGE_MS,
  nonce,
  requireNonce = false,
}: VerifyOcspOptions): Limits {
  if (!(clockSkewMs >= 0 && clockSkewMs <= MAX_CLOCK_SKEW_MS)) {
    const message = `clockSkewMs must be from 0 to ${MAX_CLOCK_SKEW_MS}`
    throw new SpiffeError('invalid-option', message)
  }
  if (!(maxAgeMs > 0)) throw new SpiffeError('invalid-option', 'maxAgeMs must be more than 0')
  assertNonce(nonce ?? (requireNonce ? NO_NONCE : undefined))
  return { clockSkewMs, maxAgeMs }
}

function assertNonce(nonce: Uint8Array | undefined): void {
  if (nonce === undefined || (nonce.length >= 1 && nonce.length <= MAX_NONCE_BYTES)) return
  throw new SpiffeError('invalid-option', `nonce must have 1 to ${MAX_NONCE_BYTES} bytes`)
}

function frameRefusal({ status, type }: ResponseFrame): OcspRefusal | undefined {
  if (status !== 0) {
    const [code, message] = ERRORS.get(status) ?? UNKNOWN_STATUS
    return refusal(code, message)
  }
  return type === BASIC ? undefined : refusal('not-basic', 'the response is not a basic one')
}

function verifyBasic(
  response: BasicResponse,
  subject: Subject,
  options: VerifyOcspOptions,
  { now, clockSkewMs, maxAgeMs }: Limits & { readonly now: number },
): OcspVerification {
  const { certificate, issuer } = subject
  if (!certificate.issuer.equals(issuer.subject) || !certificate.isSignedBy(issuer)) {
    return refusal('wrong-issuer', 'the issuer that was given did not issue the certificate')
  }
  const window = { earliest: now - clockSkewMs, latest: now + clockSkewMs }
  const signer = verifySigner(response, subject, window)
  if (typeof signer !== 'string') return signer
  const single = findSingle(response, subject)
  if ('ok' in single) return single
  return (
    criticalRefusal([...response.critical, ...single.critical]) ??
    nonceRefusal(response, options) ??
    answerOf(single, response, signer, { window, maxAgeMs })
  )
}

/** RFC 6960 §3.2 1: the certificate of the response is the one of the request. Two answers could contradict each other. */
function findSingle({ responses }: BasicResponse, subject: Subject): SingleResponse | OcspRefusal {
  const [single, ...others] = responses.filter(({ certId }) => isAbout(certId, subject))
  if (single === undefined) {
    return refusal('no-match', 'the response says nothing about the certificate')
  }
  if (others.length === 0) return single
  return refusal('ambiguous', 'the response speaks of the certificate more than once')
}

function isAbout(certId: CertId, { certificate, issuer }: Subject): boolean {
  if (certId.serialNumber !== certificate.serialNumber) return false
  const algorithm = hashOf(certId.hashAlgorithm)
  return (
    algorithm !== undefined &&
    issuerNameHash(certificate, algorithm).equals(certId.issuerNameHash) &&
    keyHash(issuer, algorithm).equals(certId.issuerKeyHash)
  )
}

function criticalRefusal([unknown]: readonly string[]): OcspRefusal | undefined {
  if (unknown === undefined) return undefined
  const message = `the response has the critical extension ${unknown}`
  return refusal('unknown-critical-extension', message)
}

/** RFC 6960 §4.4.1: the value is the DER of an OCTET STRING, as it was sent. */
function nonceRefusal(
  response: BasicResponse,
  { nonce, requireNonce = false }: VerifyOcspOptions,
): OcspRefusal | undefined {
  if (nonce === undefined) return undefined
  if (response.nonce !== undefined) {
    const sent = Buffer.concat([Buffer.from([0x04, nonce.length]), nonce])
    if (sent.equals(response.nonce)) return undefined
    return refusal('nonce-mismatch', 'the response has another nonce than the request')
  }
  if (!requireNonce) return undefined
  return refusal('nonce-missing', 'the response has no nonce, and one is required')
}

/** RFC 6960 §3.2 5, 6. Written so that a clock which gives NaN refuses. */
function answerOf(
  { certificateStatus, thisUpdate, nextUpdate }: SingleResponse,
  { producedAt }: BasicResponse,
  signer: OcspSigner,
  { window, maxAgeMs }: { readonly window: TimeWindow; readonly maxAgeMs: number },
): OcspVerification {
  const { earliest, latest } = window
  if (!(latest >= thisUpdate && latest >= producedAt)) {
    return refusal('not-yet-valid', 'the response was made in the future')
  }
  // RFC 6960 §4.2.2.1 lets responders leave it out: then it would be valid for ever.
  if (nextUpdate === undefined) {
    return refusal('no-next-update', 'the response does not say until when it is valid')
  }
  if (!(earliest <= nextUpdate)) {
    return refusal('expired', 'the next update of the response is past')
  }
  if (!(earliest - maxAgeMs <= thisUpdate)) {
    return refusal('too-old', `the response is older than ${maxAgeMs} ms`)
  }
  const answer = { ...certificateStatus, thisUpdate, nextUpdate, producedAt, signer }
  return Object.freeze({ ok: true, answer: Object.freeze(answer) })
}
