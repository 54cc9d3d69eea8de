import type { KeyObject } from 'node:crypto'
import { SpiffeError } from '../errors.ts'
import type { CurveName } from '../x509/public-key.ts'
import {
  readVerificationKey,
  type IgnoredKeyReason,
  type Jwk,
  type VerificationKey,
} from './jwk.ts'

/**
 * A key that signs the JWT-SVIDs of a trust domain (SPIFFE Trust Domain and Bundle §4.2.2). Its public half; RSA of 2048
 * to 8192 bits, P-256, P-384 or P-521. Immutable.
 */
export class JwtAuthority {
  /** The `kid` by which tokens name it. */
  readonly keyId: string
  readonly publicKey: KeyObject
  readonly type: 'ec' | 'rsa'
  /** The curve of a key of type `ec`. */
  readonly curve: CurveName | undefined
  /** The only algorithm that the key is for (RFC 7517 §4.4), if the bundle says so. */
  readonly algorithm: string | undefined
  readonly #members: Readonly<Record<string, string>>

  private constructor(keyId: string, key: VerificationKey, algorithm: string | undefined) {
    this.keyId = keyId
    this.publicKey = key.publicKey
    this.type = key.type
    this.curve = key.curve
    this.algorithm = algorithm
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

  /** Whether both have the same key ID, key and algorithm. */
  equals(other: JwtAuthority): boolean {
    if (this === other) return true
    if (this.keyId !== other.keyId || this.algorithm !== other.algorithm) return false
    const [own, others] = [this.#members, other.#members]
    return Object.keys(own).every((name) => own[name] === others[name])
  }

  /** As a JSON Web Key, without `use`. */
  toJwk(): Readonly<Record<string, string>> {
    const { keyId, algorithm } = this
    return { ...this.#members, kid: keyId, ...(algorithm !== undefined && { alg: algorithm }) }
  }

  toJSON(): Record<string, unknown> {
    const { keyId, type, curve } = this
    return { keyId, type, curve }
  }
}

function readAuthority(jwk: unknown): JwtAuthority | IgnoredKeyReason {
  const isObject = typeof jwk === 'object' && jwk !== null
  return isObject ? JwtAuthority.read({ ...jwk }) : 'unsupported-key'
}

/** RFC 7517 §4.3: where `key_ops` is present, the key must be for what it is used for. */
function isForVerification({ key_ops: operations }: Jwk): boolean {
  return operations === undefined || (Array.isArray(operations) && operations.includes('verify'))
}
