import { X509Certificate } from 'node:crypto'
import type { TLSSocket } from 'node:tls'
import type { SpiffeIdMatcher } from '@fastify-spiffe/spiffe'
import { TlsError } from '../errors.ts'
import {
  peerRejected,
  peerVerified,
  type PeerRejectedEvent,
  type PeerVerifiedEvent,
} from '../peer/events.ts'
import { bindPeer } from '../peer/binding.ts'
import { claimedSpiffeId } from '../peer/claimed-id.ts'
import type { ConnectionPeer } from '../peer/connection-peer.ts'
import type { Acceptance, PeerVerifier } from '../peer/verifier.ts'
import type { Rejection } from '../rejection.ts'
import type { StapleVerdict, StapleVerifier } from './web-pki.ts'

/**
 * Verifies the server of a connection, and binds its identity to the socket.
 * @throws {@link TlsError} `server-refused` or `server-not-allowed`
 */
export function proveServer(
  socket: TLSSocket,
  verifier: PeerVerifier,
  allowed: SpiffeIdMatcher,
  now: number,
): void {
  // Once and first: on Node 20, 22 and 24 a second call has lost the chain.
  const leaf = socket.getPeerX509Certificate()
  const verdict = verify(socket, leaf, verifier, now)
  const peer = allowedServer(verdict, allowed, { leaf, remoteAddress: socket.remoteAddress })
  bindPeer(socket, peer)
  // As on servers: OpenSSL has no CA to verify with, our verifier has.
  socket.authorized = true
}

/** What events say of a server. */
export interface ObservedServer {
  readonly leaf: X509Certificate | undefined
  /** `undefined` where it is not known. */
  readonly remoteAddress: string | undefined
}

/**
 * Returns the server, if it is proven and allowed.
 * @throws {@link TlsError} `server-refused` or `server-not-allowed`
 */
export function allowedServer(
  verdict: Acceptance | Rejection,
  allowed: SpiffeIdMatcher,
  observed: ObservedServer,
): ConnectionPeer {
  if (!verdict.ok) {
    publishRejection(observed, verdict.code, verdict.message)
    const message = `the server proved no SPIFFE ID: ${verdict.message}`
    throw new TlsError('server-refused', message, { rejection: verdict.code })
  }
  const { peer } = verdict
  // `unknown`: a matcher of the application may return a promise, which is truthy.
  const answer: unknown = allowed.matches(peer.spiffeId)
  if (answer !== true) {
    const message = `the server is ${peer.spiffeId.toString()}, not ${allowed.toString()}`
    publishRejection(observed, 'server-not-allowed', message)
    throw new TlsError('server-not-allowed', message)
  }
  if (peerVerified.hasSubscribers) {
    const event = { side: 'client', server: null, peer } as const
    peerVerified.publish(Object.freeze<PeerVerifiedEvent>(event))
  }
  return peer
}

/**
 * Makes sure that OpenSSL and Node have verified the chain and the name of a server of the Web PKI. Node has
 * destroyed the connection otherwise, so that this is a second check. Then the staple has to be good, if one is required.
 * @param verifyStaple `undefined`: none is required
 * @throws {@link TlsError} `server-refused` or `staple-refused`
 */
export function proveWebServer(
  socket: TLSSocket,
  verifyStaple: StapleVerifier | undefined,
  response: Buffer | null,
): void {
  if (!socket.authorized || socket.isSessionReused()) {
    throw new TlsError('server-refused', 'the server has not proven its name to the Web PKI')
  }
  if (verifyStaple !== undefined) assertStaple(socket, verifyStaple, response)
  bindPeer(socket, null)
}

function assertStaple(
  socket: TLSSocket,
  verifyStaple: StapleVerifier,
  response: Buffer | null,
): void {
  const verdict = stapleVerdict(socket, verifyStaple, response)
  // A verifier of the application may return a promise, or `true`.
  const isGood: unknown = verdict?.ok
  if (isGood === true) return
  const reason = verdict?.ok === false ? verdict.message : 'its verifier gave no verdict'
  const message = `the server has not stapled a good OCSP response: ${reason}`
  throw new TlsError('staple-refused', message, { cause: verdict })
}

function stapleVerdict(
  socket: TLSSocket,
  verifyStaple: StapleVerifier,
  response: Buffer | null,
): StapleVerdict | undefined {
  try {
    const { raw, issuerCertificate } = socket.getPeerCertificate(true)
    const certificate = new X509Certificate(raw)
    const issuer =
      issuerCertificate === undefined ? undefined : new X509Certificate(issuerCertificate.raw)
    return verifyStaple({ certificate, issuer, response })
  } catch (cause) {
    throw new TlsError('staple-refused', 'the OCSP staple of the server could not be verified', {
      cause,
    })
  }
}

function verify(
  socket: TLSSocket,
  leaf: X509Certificate | undefined,
  verifier: PeerVerifier,
  now: number,
): Acceptance | Rejection {
  if (socket.isSessionReused()) {
    const message = 'the session was resumed, and carries no chain to verify'
    return { ok: false, code: 'session-resumed', message }
  }
  if (leaf === undefined) {
    return { ok: false, code: 'no-certificate', message: 'the server presented no certificate' }
  }
  return verifier.verify(leaf, now)
}

function publishRejection(
  { leaf, remoteAddress }: ObservedServer,
  code: PeerRejectedEvent['code'],
  message: string,
): void {
  if (!peerRejected.hasSubscribers) return
  const details = { message, remoteAddress, claimedSpiffeId: claimedSpiffeId(leaf) }
  const event = { side: 'client', server: null, code, ...details } as const
  peerRejected.publish(Object.freeze<PeerRejectedEvent>(event))
}
