import { createHash } from 'node:crypto'
import { Socket } from 'node:net'
import { SpiffeId } from '@fastify-spiffe/spiffe'
import { TlsError } from '../errors.ts'
import { bindPeer } from '../peer/binding.ts'
import { ProvenPeer, type ConnectionPeer } from '../peer/connection-peer.ts'
import type { Standing } from '../peer/standing.ts'

const HOUR_MS = 3_600_000

export interface PresentedPeer {
  readonly spiffeId: SpiffeId | string
  /** In ms since the epoch. Default: an hour from now. */
  readonly notAfter?: number
  /** Default: a hash of the SPIFFE ID in the format of a fingerprint. */
  readonly fingerprint256?: string
  /** Default `1`. */
  readonly serialNumber?: string
}

const untilExpiry: Standing = {
  holds: () => true,
  until: Infinity,
  lapse: 'expired',
  // No connection of the test kit is a live one.
  end: () => undefined,
}

/**
 * Makes the socket of an injected request look as if the peer had come through a handshake; `null`
 * is a connection without a certificate. The peer says `proof: 'test-kit'`.
 *
 * For tests only: refuses to work under `NODE_ENV=production`, and on real connections always.
 *
 * @throws {@link TlsError} `test-kit-refused`, `peer-already-bound`
 */
export const presentPeer = (socket: object, peer: PresentedPeer | null): ConnectionPeer | null => {
  if (process.env['NODE_ENV'] === 'production') {
    throw new TlsError('test-kit-refused', 'presentPeer does not work under NODE_ENV=production')
  }
  if (socket instanceof Socket) {
    throw new TlsError('test-kit-refused', 'a real connection proves its peer by its handshake')
  }
  const bound = peer === null ? null : new ProvenPeer(facts(peer), untilExpiry)
  bindPeer(socket, bound)
  return bound
}

const facts = (peer: PresentedPeer): Omit<ConnectionPeer, 'trustDomain'> => {
  const spiffeId = typeof peer.spiffeId === 'string' ? SpiffeId.parse(peer.spiffeId) : peer.spiffeId
  return {
    spiffeId,
    notAfter: peer.notAfter ?? Date.now() + HOUR_MS,
    fingerprint256: peer.fingerprint256 ?? fingerprintOf(spiffeId),
    serialNumber: peer.serialNumber ?? '1',
    proof: 'test-kit',
  }
}

const fingerprintOf = (id: SpiffeId): string => {
  const digest = createHash('sha256').update(id.toString()).digest('hex').toUpperCase()
  return digest.replaceAll(/(..)(?!$)/g, '$1:')
}
