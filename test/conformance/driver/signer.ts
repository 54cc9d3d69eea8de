import { createHmac, generateKeyPairSync, sign, type KeyObject } from 'node:crypto'

export type Members = Readonly<Record<string, unknown>>

/** What differs from a good token. A member that is `undefined` is left out. */
export interface TokenDraft {
  readonly header?: Members
  readonly claims?: Members
  /** How it is really signed. Default: the algorithm of the key. */
  readonly algorithm?: string
}

export const AUDIENCE = 'conformance'
export const WORKLOAD_ID = 'spiffe://example.org/workload'

/** A JWT authority, which mints what a case wants, good or bad. */
export class Signer {
  readonly keyId: string
  readonly algorithm: string
  readonly publicKey: KeyObject
  readonly #privateKey: KeyObject

  /** @param algorithm that decides on the key: `ES384` has one of P-384 */
  constructor(keyId: string, algorithm = 'ES256') {
    const { publicKey, privateKey } = newKeyPair(algorithm)
    this.keyId = keyId
    this.algorithm = algorithm
    this.publicKey = publicKey
    this.#privateKey = privateKey
  }

  /** As it stands in a JWT bundle. */
  jwk(more: Members = {}): Members {
    const key = this.publicKey.export({ format: 'jwk' })
    return { ...key, kid: this.keyId, use: 'jwt-svid', ...more }
  }

  /** A token, good where the draft is silent. */
  token({ header, claims, algorithm = this.algorithm }: TokenDraft = {}): string {
    const seconds = Math.floor(Date.now() / 1000)
    const input = [
      { alg: this.algorithm, kid: this.keyId, typ: 'JWT', ...header },
      { sub: WORKLOAD_ID, aud: [AUDIENCE], iat: seconds, exp: seconds + 300, ...claims },
    ].map(encoded)
    return `${input.join('.')}.${this.#signature(input.join('.'), algorithm)}`
  }

  #signature(input: string, algorithm: string): string {
    const hash = `sha${algorithm.slice(2)}`
    if (algorithm.startsWith('HS')) {
      const secret = this.publicKey.export({ format: 'pem', type: 'spki' })
      return createHmac(hash, secret).update(input).digest('base64url')
    }
    // RSA_PKCS1_PSS_PADDING, with a salt as long as the digest.
    const padding = algorithm.startsWith('PS') ? { padding: 6, saltLength: -1 } : {}
    const key = { key: this.#privateKey, dsaEncoding: 'ieee-p1363', ...padding } as const
    return sign(algorithm === 'EdDSA' ? null : hash, Buffer.from(input), key).toString('base64url')
  }
}

/** A JWT bundle. */
export function jwks(signers: readonly Signer[]): string {
  return JSON.stringify({ keys: signers.map((signer) => signer.jwk()) })
}

export function encoded(part: Members): string {
  return Buffer.from(JSON.stringify(part)).toString('base64url')
}

const CURVES: Readonly<Record<string, string>> = { ES256: 'P-256', ES384: 'P-384', ES512: 'P-521' }

function newKeyPair(algorithm: string): { publicKey: KeyObject; privateKey: KeyObject } {
  const namedCurve = CURVES[algorithm]
  if (namedCurve !== undefined) return generateKeyPairSync('ec', { namedCurve })
  if (algorithm === 'EdDSA') return generateKeyPairSync('ed25519')
  return generateKeyPairSync('rsa', { modulusLength: 2048 })
}
