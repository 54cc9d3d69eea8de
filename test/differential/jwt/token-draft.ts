import { constants, sign, type KeyObject } from 'node:crypto'
import { jwkOf, keyPair, kindFor, type Algorithm, type Members } from './keys.ts'

export const TRUST_DOMAIN = 'a.test'
const OTHER_TRUST_DOMAIN = 'b.test'
export const AUDIENCE = 'orders'
export const SUBJECT = 'spiffe://a.test/acme/web'
export const KEY_ID = 'k1'

/** A token, and the bundles that it is to be verified by. */
export interface Minted {
  readonly token: string
  /** SPIFFE bundles, by the name of their trust domain. */
  readonly bundles: Readonly<Record<string, string>>
}

/** Makes a token an odd one. */
export type TokenChange = (draft: TokenDraft) => void

/** All that a token is made of. It is a good one until it is changed. */
export class TokenDraft {
  readonly algorithm: Algorithm
  /** The time in seconds since the epoch. */
  readonly now: number
  header: Members
  claims: Members
  /** The keys in the bundle of the trust domain. */
  keys: Members[]
  /** The keys in that of the other one. */
  otherKeys: Members[]
  writeHeader: (header: Members) => string | Uint8Array = JSON.stringify
  writeClaims: (claims: Members) => string | Uint8Array = JSON.stringify
  /** Changes the claims once they are in base64url. */
  encodedClaims: (text: string) => string = same
  sign: (input: string) => Uint8Array
  /** Changes the token once it is signed. */
  sealed: (token: string) => string = same

  constructor(algorithm: Algorithm, now: number) {
    const pair = keyPair(kindFor(algorithm))
    this.algorithm = algorithm
    this.now = now
    this.header = { alg: algorithm, kid: KEY_ID, typ: 'JWT' }
    this.claims = { sub: SUBJECT, aud: [AUDIENCE], exp: now + 3600, iat: now - 10 }
    this.keys = [jwtKey(jwkOf(pair))]
    this.otherKeys = [jwtKey(jwkOf(keyPair(kindFor(algorithm), 'other')))]
    this.sign = (input) => signatureOf(input, algorithm, pair.privateKey)
  }

  mint(): Minted {
    const header = base64Url(this.writeHeader(this.header))
    const claims = this.encodedClaims(base64Url(this.writeClaims(this.claims)))
    const input = `${header}.${claims}`
    return {
      token: this.sealed(`${input}.${base64Url(this.sign(input))}`),
      bundles: {
        [TRUST_DOMAIN]: JSON.stringify({ keys: this.keys }),
        [OTHER_TRUST_DOMAIN]: JSON.stringify({ keys: this.otherKeys }),
      },
    }
  }
}

/** A key as SPIFFE bundles have it for JWT-SVIDs. */
export function jwtKey(jwk: Members, keyId: string = KEY_ID): Members {
  return { ...jwk, kid: keyId, use: 'jwt-svid' }
}

export function base64Url(octets: string | Uint8Array): string {
  return Buffer.from(octets).toString('base64url')
}

/** RFC 7518 §3.3 to §3.5. */
export function signatureOf(input: string, algorithm: string, key: KeyObject): Uint8Array {
  const hash = `sha${algorithm.slice(2)}`
  const octets = Buffer.from(input)
  if (algorithm.startsWith('ES')) return sign(hash, octets, { key, dsaEncoding: 'ieee-p1363' })
  if (algorithm.startsWith('RS')) return sign(hash, octets, key)
  const { RSA_PKCS1_PSS_PADDING: padding, RSA_PSS_SALTLEN_DIGEST: saltLength } = constants
  return sign(hash, octets, { key, padding, saltLength })
}

function same(text: string): string {
  return text
}
