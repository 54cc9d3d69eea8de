import type { KeyObject } from 'node:crypto'
import type { TrustDomain } from '@fastify-spiffe/spiffe'
import { randomSerialNumber, type IssueDefaults } from './issue.ts'
import type { KeyType } from './key-pair.ts'

/** SPIRE back-dates by this much, for clocks that are behind. */
const BACK_DATING_MS = 10_000

/** How long an SVID lives after it was issued. */
export const SVID_TTL_MS = 3_600_000

/** How long a JWT-SVID is valid after it was issued. */
export const JWT_SVID_TTL_MS = 300_000

/** How long an authority lives after it was made. */
export const AUTHORITY_TTL_MS = 86_400_000

/** A leaf as SPIRE issues it. */
export function leafDefaults(uri: string, subject: string | undefined, now: number): IssueDefaults {
  return {
    uri,
    subject: subject ?? 'C=US,O=SPIRE',
    ca: false,
    keyUsage: ['digitalSignature', 'keyEncipherment', 'keyAgreement'],
    extendedKeyUsage: ['serverAuth', 'clientAuth'],
    notBefore: now - BACK_DATING_MS,
    notAfter: now + SVID_TTL_MS,
  }
}

/** A certificate authority as SPIRE makes it. The number in its name makes the name unique. */
export function caDefaults(
  trustDomain: TrustDomain,
  subject: string | undefined,
  now: number,
): IssueDefaults {
  return {
    uri: trustDomain.id.toString(),
    subject: subject ?? `C=US,O=SPIFFE,2.5.4.5=${randomSerialNumber()}`,
    ca: true,
    keyUsage: ['keyCertSign', 'cRLSign'],
    extendedKeyUsage: 'absent',
    notBefore: now - BACK_DATING_MS,
    notAfter: now + AUTHORITY_TTL_MS,
  }
}

const KEY_TYPES_BY_CURVE: ReadonlyMap<string | undefined, KeyType> = new Map([
  ['prime256v1', 'ec-p256'],
  ['secp384r1', 'ec-p384'],
  ['secp521r1', 'ec-p521'],
])

/** The default type of the keys that a CA with `key` certifies. */
export function keyTypeLike(key: KeyObject): KeyType {
  if (key.asymmetricKeyType === 'ed25519') return 'ed25519'
  return KEY_TYPES_BY_CURVE.get(key.asymmetricKeyDetails?.namedCurve) ?? 'rsa-2048'
}
