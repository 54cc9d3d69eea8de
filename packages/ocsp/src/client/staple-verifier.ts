import type { X509Certificate } from 'node:crypto'
import { Certificate, MAX_CLOCK_SKEW_MS } from '@fastify-spiffe/spiffe'
import type { StapleVerdict, StapleVerifier } from '@fastify-spiffe/tls'
import { readOcspExtensions } from '../certificate/certificate-extensions.ts'
import { MAX_AGE_MS, reader } from '../options.ts'
import type { OcspRefusalCode } from '../verify/refusal.ts'
import {
  DEFAULT_CLOCK_SKEW_MS,
  DEFAULT_MAX_AGE_MS,
  verifyOcspResponse,
} from '../verify/verify-ocsp-response.ts'

/** Options of {@link stapleVerifier}. Each has a default. */
export interface StapleVerifierOptions {
  /**
   * Which servers have to staple: `always`, all of them; `must-staple`, those whose certificate demands it (RFC 7633). A staple
   * that comes has to be good in any case. Default `always`.
   */
  readonly demand?: 'always' | 'must-staple'
  /** How far the clock of the responder may be from ours, in ms, up to 300,000. Default 60,000. */
  readonly clockSkewMs?: number
  /** How long ago `thisUpdate` of a staple may be, in ms. Default 864,000,000: ten days. */
  readonly maxAgeMs?: number
  /** The time in ms since the epoch. Default `Date.now`. */
  readonly clock?: () => number
}

/**
 * Why a staple is refused: by the verifier of responses, or
 *
 * - `no-staple`: the server has sent none.
 * - `no-issuer`: the certificate of the issuer is not known, so that nothing can be verified.
 * - `unreadable-certificate`: the certificate of the server or of its issuer is not strict DER.
 * - `certificate-revoked`: the issuer has revoked the certificate.
 * - `certificate-unknown`: the responder does not know the certificate.
 */
export type StapleRefusalCode =
  | OcspRefusalCode
  | 'no-staple'
  | 'no-issuer'
  | 'unreadable-certificate'
  | 'certificate-revoked'
  | 'certificate-unknown'

const names: readonly (keyof StapleVerifierOptions)[] = [
  'demand',
  'clockSkewMs',
  'maxAgeMs',
  'clock',
]

/**
 * Makes the verifier for `requireStaple` of `webPki()`: a server of the Web PKI is spoken to only if it staples a good OCSP
 * response about its certificate. Its responder is never asked, so that no server can send this process anywhere.
 *
 * @throws {@link OcspError} `unknown-option` or `invalid-option`
 */
export function stapleVerifier(options: StapleVerifierOptions = {}): StapleVerifier {
  reader.assertKnown('stapleVerifier', options, names)
  const demand = reader.asOneOf('demand', options.demand, ['always', 'must-staple'], 'always')
  const settings = {
    clockSkewMs: reader.asDuration('clockSkewMs', options.clockSkewMs, {
      min: 0,
      max: MAX_CLOCK_SKEW_MS,
      defaultValue: DEFAULT_CLOCK_SKEW_MS,
    }),
    maxAgeMs: reader.asDuration('maxAgeMs', options.maxAgeMs, {
      min: 60_000,
      max: MAX_AGE_MS,
      defaultValue: DEFAULT_MAX_AGE_MS,
    }),
    clock: reader.asFunction('clock', options.clock, Date.now),
  }
  return ({ certificate: x509, issuer: issuerX509, response }) => {
    const certificate = readCertificate(x509)
    if (certificate === null) return unreadable()
    if (response === null) return withoutStaple(certificate, demand)
    if (issuerX509 === undefined) {
      return refuse('no-issuer', 'the issuer of the certificate is not known')
    }
    const issuer = readCertificate(issuerX509)
    if (issuer === null) return unreadable()
    const verification = verifyOcspResponse(response, { certificate, issuer }, settings)
    return verification.ok ? judge(verification.answer.status) : verification
  }
}

function withoutStaple(certificate: Certificate, demand: 'always' | 'must-staple'): StapleVerdict {
  if (demand === 'must-staple' && !readOcspExtensions(certificate).mustStaple) return { ok: true }
  return refuse('no-staple', 'the server has stapled no response')
}

function judge(status: 'good' | 'revoked' | 'unknown'): StapleVerdict {
  if (status === 'good') return { ok: true }
  return status === 'revoked'
    ? refuse('certificate-revoked', 'the issuer has revoked the certificate')
    : refuse('certificate-unknown', 'the responder does not know the certificate')
}

function readCertificate(x509: X509Certificate): Certificate | null {
  try {
    return Certificate.fromX509(x509)
  } catch {
    return null
  }
}

function unreadable(): StapleVerdict {
  return refuse('unreadable-certificate', 'a certificate of the server is not strict DER')
}

function refuse(code: StapleRefusalCode, message: string): StapleVerdict {
  return Object.freeze({ ok: false, code, message })
}
