import { randomBytes } from 'node:crypto'
import type { OwnCertificate } from '../certificate/own-certificate.ts'
import type { RefreshFailureCode } from '../events.ts'
import { writeRequest } from '../request/request.ts'
import { TransportError } from '../transport/transport.ts'
import {
  MAX_RESPONSE_BYTES,
  verifyOcspResponse,
  type OcspAnswer,
} from '../verify/verify-ocsp-response.ts'
import type { FollowSettings } from '../settings.ts'

/** A response that was verified, with what it says. */
export interface HeldAnswer {
  readonly response: Buffer
  readonly answer: OcspAnswer
}

export interface Failure {
  readonly code: RefreshFailureCode
  readonly message: string
}

/** What a responder has said, or why that counts for nothing. */
export type QueryResult =
  | { readonly ok: true; readonly held: HeldAnswer }
  | ({ readonly ok: false } & Failure)

/** RFC 9654 §2.1. */
const NONCE_BYTES = 32

/** Asks a responder once, and verifies the answer. Never rejects. */
export async function query(
  own: OwnCertificate,
  responder: URL,
  settings: FollowSettings,
  closed: AbortSignal,
): Promise<QueryResult> {
  const nonce = settings.nonce === 'off' ? null : randomBytes(NONCE_BYTES)
  const request = writeRequest({ ...own, hash: settings.certIdHash, nonce })
  const deadline = new AbortController()
  const cancel = settings.setTimer(() => deadline.abort(), settings.timeoutMs)
  try {
    const signal = AbortSignal.any([deadline.signal, closed])
    const { transport, method } = settings
    const options = { method, maxBytes: MAX_RESPONSE_BYTES, signal }
    // A transport may not heed the signal.
    const response = await Promise.race([
      transport(responder, request, options),
      rejectionOf(signal),
    ])
    return judge(Buffer.from(response), own, settings, nonce)
  } catch (error) {
    if (deadline.signal.aborted) {
      const message = `no complete answer within ${settings.timeoutMs} ms`
      return { ok: false, code: 'timeout', message }
    }
    if (error instanceof TransportError) {
      return { ok: false, code: error.code, message: error.message }
    }
    return { ok: false, code: 'unreachable', message: 'the responder is unreachable' }
  } finally {
    cancel()
  }
}

function rejectionOf(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    const fail = (): void => reject(new TransportError('unreachable', 'the request was given up'))
    if (signal.aborted) fail()
    else signal.addEventListener('abort', fail, { once: true })
  })
}

/**
 * Verifies a response about the own certificate.
 * @param nonce that of the request; `null`: none was sent, or the response was stored
 */
export function judge(
  response: Buffer,
  own: OwnCertificate,
  { clock, clockSkewMs, maxAgeMs, nonce: mode }: FollowSettings,
  nonce: Uint8Array | null,
): QueryResult {
  const verification = verifyOcspResponse(response, own, {
    clock,
    clockSkewMs,
    maxAgeMs,
    ...(nonce !== null && { nonce, requireNonce: mode === 'required' }),
  })
  if (!verification.ok) return verification
  const { answer } = verification
  if (answer.status === 'unknown') {
    const message = 'the responder does not know the certificate'
    return { ok: false, code: 'certificate-unknown', message }
  }
  return { ok: true, held: { response, answer } }
}
