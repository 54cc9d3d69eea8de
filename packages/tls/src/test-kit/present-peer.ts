import { createHash } from 'node:crypto'
import { Socket } from 'node:net'
import { SpiffeId, SubjectAltNames, type AltNameTexts } from '@fastify-spiffe/spiffe'
import { TlsError } from '../errors.ts'
import { bindPeer } from '../peer/binding.ts'
import { ProvenPeer, type ConnectionPeer, type PeerProperties } from '../peer/connection-peer.ts'
import type { TrustStatus } from '../peer/trust-status.ts'

const HOUR_MS = 3_600_000

/** The peer to present in a test. */
export interface PresentedPeer {
  readonly spiffeId: SpiffeId | string
  /** In ms since the epoch. Default: an hour from now. */
  readonly notAfter?: number
  /** Default: a hash of the SPIFFE ID in the format of a fingerprint. */
  readonly fingerprint256?: string
  /** Default `1`. */
  readonly serialNumber?: string
  /** DNS names and IP addresses of its certificate, beside the SPIFFE ID. Default: none. */
  readonly subjectAltNames?: Pick<AltNameTexts, 'dns' | 'ip'>
}

const untilExpiry: TrustStatus = {
  isTrusted: () => true,
  trustedUntil: Infinity,
  lapseReason: 'expired',
  // The test kit has no live connections to close.
  end: () => undefined,
}

/**
 * Makes a peer the proven peer of the socket of an injected request; `null` stands for a connection
 * without a certificate. The peer has `proof: 'test-kit'`.
 *
 * For tests only: throws when `NODE_ENV` is `production`, and for real connections always.
 *
 * @throws {@link TlsError} `test-kit-refused`, `peer-already-bound`
 */
export function presentPeer(socket: object, peer: PresentedPeer | null): ConnectionPeer | null {
  if (process.env['NODE_ENV'] === 'production') {
    throw new TlsError('test-kit-refused', 'presentPeer does not work when NODE_ENV is production')
  }
  if (socket instanceof Socket) {
    throw new TlsError('test-kit-refused', 'a real connection proves its peer by its handshake')
  }
  const bound = peer && provenPeerOf(peer)
  bindPeer(socket, bound)
  return bound
}

function provenPeerOf(peer: PresentedPeer): ProvenPeer {
  const spiffeId = typeof peer.spiffeId === 'string' ? SpiffeId.parse(peer.spiffeId) : peer.spiffeId
  const { dns = [], ip = [] } = peer.subjectAltNames ?? {}
  return new ProvenPeer(propertiesOf(peer, spiffeId), untilExpiry, () =>
    SubjectAltNames.from({ dns, ip, uri: [spiffeId.toString()] }),
  )
}

function propertiesOf(peer: PresentedPeer, spiffeId: SpiffeId): PeerProperties {
  return {
    spiffeId,
    notAfter: peer.notAfter ?? Date.now() + HOUR_MS,
    fingerprint256: peer.fingerprint256 ?? fingerprintOf(spiffeId),
    serialNumber: peer.serialNumber ?? '1',
    proof: 'test-kit',
  }
}

function fingerprintOf(id: SpiffeId): string {
  const digest = createHash('sha256').update(id.toString()).digest('hex').toUpperCase()
  return digest.replaceAll(/(..)(?!$)/g, '$1:')
}
