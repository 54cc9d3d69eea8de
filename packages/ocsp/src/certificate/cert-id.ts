import { hash } from 'node:crypto'
import type { Certificate } from '@fastify-spiffe/spiffe'
import { DerReader, readOctetAlignedBitString, TAG } from '@fastify-spiffe/spiffe/internal'

/** The hash algorithms by which a certificate is named (RFC 6960 §4.1.1). */
export type CertIdHash = 'sha1' | 'sha256'

/** The object identifiers of the algorithms. */
export const HASH_IDENTIFIERS: Readonly<Record<CertIdHash, string>> = {
  sha1: '1.3.14.3.2.26',
  sha256: '2.16.840.1.101.3.4.2.1',
}

const algorithms: ReadonlyMap<string, CertIdHash> = new Map([
  [HASH_IDENTIFIERS.sha1, 'sha1'],
  [HASH_IDENTIFIERS.sha256, 'sha256'],
])

/** Returns the algorithm of an object identifier; `undefined` for one that is not on the list. */
export function hashOf(identifier: string): CertIdHash | undefined {
  return algorithms.get(identifier)
}

/** RFC 6960 §4.1.1: of the name of the issuer as it is written in the certificate. */
export function issuerNameHash({ issuer }: Certificate, algorithm: CertIdHash): Buffer {
  return hash(algorithm, issuer.raw, 'buffer')
}

/** RFC 6960 §4.1.1, §4.2.1: of the bits of the key, without tag, length and number of unused bits. */
export function keyHash({ publicKey }: Certificate, algorithm: CertIdHash): Buffer {
  const info = DerReader.of(publicKey.spki).enter(TAG.sequence)
  info.element(TAG.sequence)
  return hash(algorithm, readOctetAlignedBitString(info), 'buffer')
}
