import { createHmac, sign, type KeyObject } from 'node:crypto'
import { BundleSet } from '../bundle/bundle-set.ts'
import { jwtJwk, keyPairOf, type JwkMembers } from '../bundle/bundle.test.support.ts'
import { JwtAuthority } from '../bundle/jwt-authority.ts'
import { JwtBundle } from '../bundle/jwt-bundle.ts'
import { TrustDomain } from '../id/spiffe-id.ts'
import type { JwtSvidAlgorithm } from './algorithms.ts'
import type { JwtRefusalCode } from './refusal.ts'
import type { JwtVerification } from './verification.ts'
import { verifyJwtSvid } from './verify-jwt-svid.ts'

/** The time of the tests, in milliseconds since the epoch. */
export const NOW: number = Date.UTC(2026, 0, 1)
export const SECONDS: number = NOW / 1000
export const WEB = 'spiffe://example.org/acme/web'
export const AUDIENCE = 'orders'

/** The name of the key pair of the tests that fits an algorithm. */
export function keyNameOf(algorithm: JwtSvidAlgorithm): string {
  if (!algorithm.startsWith('ES')) return 'RSA2048/one'
  return `P-${algorithm === 'ES512' ? '521' : algorithm.slice(2)}/one`
}

export function authority(kid: string, name = 'P-256/one', more: JwkMembers = {}): JwtAuthority {
  return JwtAuthority.fromJwk(jwtJwk(kid, more, name))
}

export function bundleOf(...authorities: readonly JwtAuthority[]): JwtBundle {
  return JwtBundle.of(TrustDomain.parse('example.org'), authorities)
}

export const CLAIMS: JwkMembers = { sub: WEB, aud: [AUDIENCE], exp: SECONDS + 300, iat: SECONDS }

/** What a token is made of. A header or claims as text are taken as they are. */
export interface Draft {
  readonly header?: JwkMembers | string
  readonly claims?: JwkMembers | string
  /** Default: the key pair that fits `algorithm`. */
  readonly key?: KeyObject
  /** How it is really signed. Default ES256. */
  readonly algorithm?: JwtSvidAlgorithm
  readonly signature?: Buffer
}

export function encode(part: JwkMembers | string | Uint8Array): string {
  const isBytes = typeof part === 'string' || part instanceof Uint8Array
  return Buffer.from(isBytes ? part : JSON.stringify(part)).toString('base64url')
}

/** Makes a token, a good one where the draft is silent. */
export function tokenOf(draft: Draft = {}): string {
  const { algorithm = 'ES256' } = draft
  const header = draft.header ?? { alg: algorithm, kid: '1', typ: 'JWT' }
  const claims = typeof draft.claims === 'string' ? draft.claims : { ...CLAIMS, ...draft.claims }
  const input = `${encode(header)}.${encode(claims)}`
  const key = draft.key ?? keyPairOf(keyNameOf(algorithm)).privateKey
  return `${input}.${encode(draft.signature ?? signatureOf(input, algorithm, key))}`
}

export function signatureOf(input: string, algorithm: JwtSvidAlgorithm, key: KeyObject): Buffer {
  const hash = `sha${algorithm.slice(2)}`
  if (algorithm.startsWith('ES')) {
    return sign(hash, Buffer.from(input), { key, dsaEncoding: 'ieee-p1363' })
  }
  // RSA_PKCS1_PADDING; RSA_PKCS1_PSS_PADDING with a salt as long as the digest.
  const padding = algorithm.startsWith('RS') ? { padding: 1 } : { padding: 6, saltLength: -1 }
  return sign(hash, Buffer.from(input), { key, ...padding })
}

/** A token whose signature is a MAC, with the octets of a public key as its secret. */
export function macToken(algorithm: string, secret: string | Buffer): string {
  const input = `${encode({ alg: algorithm, kid: '1' })}.${encode(CLAIMS)}`
  return `${input}.${createHmac('sha256', secret).update(input).digest('base64url')}`
}

export const GOOD: JwtBundle = bundleOf(authority('1'))

/** Verifies at the time of the tests, for the audience of the tests. */
export function verification(
  token: string,
  bundle: JwtBundle = GOOD,
  more: {
    readonly clockSkewMs?: number
    readonly now?: number
    readonly maxTokenBytes?: number
  } = {},
): Promise<JwtVerification> {
  const { now = NOW, ...options } = more
  const given = { audience: AUDIENCE, clock: () => now, ...options }
  return verifyJwtSvid(token, BundleSet.of(bundle), given)
}

/** `accepted`, or the code of the refusal. */
export async function verdictOn(
  ...given: Parameters<typeof verification>
): Promise<'accepted' | JwtRefusalCode> {
  const verdict = await verification(...given)
  return verdict.ok ? 'accepted' : verdict.code
}
