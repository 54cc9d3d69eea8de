import { Certificate, type KeyUsagePurpose } from '@fastify-spiffe/spiffe'
import { isSignedByKeyOf } from '@fastify-spiffe/spiffe/internal'
import { keyHash } from '../certificate/cert-id.ts'
import { refusal, type OcspRefusal } from './refusal.ts'
import type { BasicResponse, ResponderId } from './response.ts'

/** Who signed: the issuer itself, or a responder that it has certified for this. */
export type OcspSigner = 'issuer' | 'delegate'

/** What the time may be at the responder, in ms since the epoch. */
export interface TimeWindow {
  readonly earliest: number
  readonly latest: number
}

/** Whose certificate the response is about. */
export interface Subject {
  readonly certificate: Certificate
  readonly issuer: Certificate
}

const OCSP_SIGNING = '1.3.6.1.5.5.7.3.9'
const SIGNING: ReadonlySet<KeyUsagePurpose> = new Set(['digitalSignature', 'nonRepudiation'])

/**
 * Finds who signed a response, and checks the signature: the issuer of the certificate, or a responder whose
 * certificate the issuer has issued itself for this purpose (RFC 6960 §4.2.2.2). Nobody else is asked: another
 * certificate of the same issuer, however good, proves nothing.
 */
export function verifySigner(
  response: BasicResponse,
  { certificate, issuer }: Subject,
  now: TimeWindow,
): OcspSigner | OcspRefusal {
  if (response.signatureAlgorithm === undefined) {
    return refusal('weak-signature', 'the response is signed by an algorithm that is not allowed')
  }
  let found: OcspRefusal | undefined
  if (isNamed(response.responderId, issuer)) {
    found = signatureRefusal(response, issuer)
    if (found === undefined) return 'issuer'
  }
  for (const delegate of delegatesOf(response)) {
    const reason =
      delegateRefusal(delegate, { certificate, issuer }, now) ??
      signatureRefusal(response, delegate)
    if (reason === undefined) return 'delegate'
    found = reason
  }
  return (
    found ??
    refusal('responder-unknown', 'neither the issuer nor a certificate that was sent is it')
  )
}

function isNamed(responderId: ResponderId, candidate: Certificate): boolean {
  return responderId.kind === 'name'
    ? responderId.name.equals(candidate.subject)
    : keyHash(candidate, 'sha1').equals(responderId.keyHash)
}

/** The certificates that were sent, and have the name or the key of the responder. */
function delegatesOf({ certificates, responderId }: BasicResponse): Certificate[] {
  return certificates.flatMap((der) => {
    const candidate = readCandidate(der)
    return candidate !== undefined && isNamed(responderId, candidate) ? [candidate] : []
  })
}

/** Some responders send more than they need: what cannot be read is no candidate. */
function readCandidate(der: Uint8Array): Certificate | undefined {
  try {
    return Certificate.fromDer(der)
  } catch {
    return undefined
  }
}

function delegateRefusal(
  delegate: Certificate,
  { certificate, issuer }: Subject,
  { earliest, latest }: TimeWindow,
): OcspRefusal | undefined {
  const message = authorizationFault(delegate, certificate, issuer)
  if (message !== undefined) return refusal('responder-not-authorized', message)
  const [unknown] = delegate.extensions.unknownCritical
  if (unknown !== undefined) {
    const reason = `the certificate of the responder has the critical extension ${unknown}`
    return refusal('unknown-critical-extension', reason)
  }
  // Written so that a clock which gives NaN refuses.
  if (!(latest >= delegate.notBefore)) {
    return refusal('responder-not-yet-valid', 'the certificate of the responder is not valid yet')
  }
  if (!(earliest <= delegate.notAfter)) {
    return refusal('responder-expired', 'the certificate of the responder has expired')
  }
  return undefined
}

function authorizationFault(
  delegate: Certificate,
  certificate: Certificate,
  issuer: Certificate,
): string | undefined {
  if (delegate.equals(certificate)) return 'the certificate vouches for itself'
  // RFC 6960 §4.2.2.2: issued directly by the CA that issued the certificate in question.
  if (!delegate.issuer.equals(issuer.subject) || !delegate.isSignedBy(issuer)) {
    return 'the certificate of the responder is not by the issuer of the certificate'
  }
  return purposeFault(delegate)
}

function purposeFault({ extensions }: Certificate): string | undefined {
  const { extendedKeyUsage, keyUsage, basicConstraints } = extensions
  // anyExtendedKeyUsage is not the purpose that is asked for.
  if (extendedKeyUsage?.value.includes(OCSP_SIGNING) !== true) {
    return 'the certificate of the responder lacks the purpose OCSPSigning'
  }
  // A CA below the issuer could otherwise vouch for the certificates of the issuer, its own among them.
  if (basicConstraints?.value.isCa === true) return 'the responder is a CA below the issuer'
  // RFC 5280 §4.2.1.12: OCSPSigning goes with digitalSignature or nonRepudiation.
  const maySign = keyUsage?.value.some((purpose) => SIGNING.has(purpose)) ?? true
  return maySign ? undefined : 'the key of the responder may not sign'
}

function signatureRefusal(response: BasicResponse, signer: Certificate): OcspRefusal | undefined {
  const { weakness } = signer.publicKey
  if (weakness !== undefined) {
    return refusal('weak-key', `the key of the signer may not be used: ${weakness}`)
  }
  if (isSignedByKeyOf(signer, response)) return undefined
  return refusal('bad-signature', 'the responder did not make the signature')
}
