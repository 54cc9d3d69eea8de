import {
  createHash,
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  sign,
  type KeyObject,
} from 'node:crypto'
import { TufError } from '../errors.ts'
import { canonicalJson } from './canonical-json.ts'

/** A public key as root metadata has it (TUF specification §4.2). */
export interface PublicKeyEntry {
  readonly keytype: string
  readonly scheme: string
  readonly keyval: { readonly public: string }
}

/** A key of a role: Ed25519. */
export class SigningKey {
  /** SHA-256 of the public key. */
  readonly id: string
  readonly entry: PublicKeyEntry
  readonly #key: KeyObject

  private constructor(key: KeyObject) {
    const { x = '' } = createPublicKey(key).export({ format: 'jwk' })
    this.#key = key
    this.entry = {
      keytype: 'ed25519',
      scheme: 'ed25519',
      keyval: { public: Buffer.from(x, 'base64url').toString('hex') },
    }
    this.id = createHash('sha256').update(canonicalJson(this.entry)).digest('hex')
  }

  static generate(): SigningKey {
    return new SigningKey(generateKeyPairSync('ed25519').privateKey)
  }

  /** @throws {@link TufError} `invalid-repository` */
  static fromPem(pem: string): SigningKey {
    let key: KeyObject
    try {
      key = createPrivateKey(pem)
    } catch {
      // What OpenSSL says may quote the key.
      throw new TufError('invalid-repository', 'a file with a key is not a private key in PEM')
    }
    if (key.asymmetricKeyType === 'ed25519') return new SigningKey(key)
    throw new TufError('invalid-repository', 'a key is not of the type Ed25519')
  }

  /** The private key, in PEM. */
  toPem(): string {
    return this.#key.export({ format: 'pem', type: 'pkcs8' }).toString()
  }

  sign(signed: object): string {
    return sign(null, Buffer.from(canonicalJson(signed)), this.#key).toString('hex')
  }

  /** Never the private key. */
  toJSON(): string {
    return this.id
  }
}

/** Metadata with the signatures of some keys, as the file that a repository serves. */
export function signMetadata(signed: object, keys: readonly SigningKey[]): string {
  const signatures = keys.map((key) => ({ keyid: key.id, sig: key.sign(signed) }))
  return `${JSON.stringify({ signatures, signed }, null, 1)}\n`
}
