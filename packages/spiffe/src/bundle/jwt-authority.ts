import { createPublicKey, type KeyObject } from 'node:crypto'
import { SpiffeError } from '../errors.ts'
import type { CurveName } from '../x509/public-key.ts'
import {
  readVerificationKey,
  type IgnoredKeyReason,
  type Jwk,
  type KeyMembers,
  type VerificationKey,
} from './jwk.ts'

/** What a {@link JwtAuthority} is as a JSON Web Key (RFC 7517 §4). */
export type JwtAuthorityJwk = KeyMembers & { readonly kid: string; readonly alg?: string }

/**
 * A key that signs the JWT-SVIDs of a trust domain (JWT-SVID §6). Its public half; RSA of 2048
 * to 8192 bits, P-256, P-384 or P-521. Immutable.
 */
export class JwtAuthority {
  /** The `kid` by which tokens name it. */
  readonly keyId: string
  readonly type: 'ec' | 'rsa'
  /** The curve of a key of type `ec`. */
  readonly curve: CurveName | undefined
  /** The only algorithm that the key is for (RFC 7517 §4.4), if the bundle says so. */
  readonly algorithm: string | undefined
  /** As a JSON Web Key, with `kid`, with `alg` if it is limited to one, and without `use`. Frozen. */
  readonly jwk: JwtAuthorityJwk
  readonly #members: KeyMembers
  #publicKey: KeyObject | undefined

  private constructor(keyId: string, key: VerificationKey, algorithm: string | undefined) {
    this.keyId = keyId
    this.type = key.type
    this.curve = key.curve
    this.algorithm = algorithm
    const limit = algorithm === undefined ? {} : { alg: algorithm }
    this.jwk = Object.freeze({ ...key.members, kid: keyId, ...limit })
    this.#members = key.members
    Object.freeze(this)
  }

  /**
   * Reads a JSON Web Key with `kid`; `use` is not looked at.
   * @throws {@link SpiffeError} `invalid-key`
   */
  static fromJwk(jwk: Readonly<Record<string, unknown>>): JwtAuthority {
    const authority = readAuthority(jwk)
    if (authority instanceof JwtAuthority) return authority
    throw new SpiffeError('invalid-key', `the key cannot sign JWT-SVIDs: ${authority}`)
  }

  /** Reads a JSON Web Key, or says why it is none that can sign JWT-SVIDs. */
  static read(jwk: Jwk): JwtAuthority | IgnoredKeyReason {
    const { kid, alg } = jwk
    const key = readVerificationKey(jwk)
    if (typeof key === 'string') return key
    if (typeof kid !== 'string' || kid === '') return 'no-key-id'
    if (alg !== undefined && typeof alg !== 'string') return 'unsupported-key'
    return isForVerification(jwk) ? new JwtAuthority(kid, key, alg) : 'unsupported-key'
  }

  /** The key for `node:crypto`, made at the first call: up to a millisecond. */
  get publicKey(): KeyObject {
    return (this.#publicKey ??= createPublicKey({ key: { ...this.#members }, format: 'jwk' }))
  }

  /** Whether both have the same key ID, key and algorithm. */
  equals(other: JwtAuthority): boolean {
    if (this === other) return true
    if (this.keyId !== other.keyId || this.algorithm !== other.algorithm) return false
    return isSameKey(this.#members, other.#members)
  }

  toJSON(): Record<string, unknown> {
    const { keyId, type, curve } = this
    return { keyId, type, curve }
  }
}

function isSameKey(one: KeyMembers, other: KeyMembers): boolean {
  if (one.kty === 'EC') {
    return other.kty === 'EC' && one.crv === other.crv && one.x === other.x && one.y === other.y
  }
  return other.kty === 'RSA' && one.n === other.n && one.e === other.e
}

function readAuthority(jwk: unknown): JwtAuthority | IgnoredKeyReason {
  const isObject = typeof jwk === 'object' && jwk !== null
  return isObject ? JwtAuthority.read({ ...jwk }) : 'unsupported-key'
}

/** RFC 7517 §4.3: where `key_ops` is present, the key must be for what it is used for. */
function isForVerification({ key_ops: operations }: Jwk): boolean {
  return operations === undefined || (Array.isArray(operations) && operations.includes('verify'))
}
