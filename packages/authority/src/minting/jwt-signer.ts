import { createHash, sign, type KeyObject } from 'node:crypto'
import { JwtAuthority } from '@fastify-spiffe/spiffe'
import { generateKeyPair } from './key-pair.ts'

/** The types of keys that sign JWT-SVIDs. */
export type JwtKeyType = 'ec-p256' | 'ec-p384' | 'ec-p521' | 'rsa-2048' | 'rsa-4096'

interface Algorithm {
  readonly alg: string
  readonly hash: string
}

const RS256: Algorithm = { alg: 'RS256', hash: 'sha256' }

/** RFC 7518 §3.4: each curve has an algorithm of its own. */
const ALGORITHMS: ReadonlyMap<JwtKeyType, Algorithm> = new Map([
  ['ec-p256', { alg: 'ES256', hash: 'sha256' }],
  ['ec-p384', { alg: 'ES384', hash: 'sha384' }],
  ['ec-p521', { alg: 'ES512', hash: 'sha512' }],
  ['rsa-2048', RS256],
  ['rsa-4096', RS256],
])

/** All types of keys that sign JWT-SVIDs. */
export const JWT_KEY_TYPES: readonly JwtKeyType[] = [...ALGORITHMS.keys()]

/** Members of a header or of claims; one that is `undefined` is left out. */
export type JwtMembers = Readonly<Record<string, unknown>>

/** From when to when a key signs, in milliseconds since the epoch. */
interface Lifetime {
  readonly notBefore: number
  readonly notAfter: number
}

/** A key that signs JWT-SVIDs. Logs and JSON do not show it. */
export class JwtSigner implements Lifetime {
  /** The `kid` of its tokens. */
  readonly id: string
  readonly notBefore: number
  readonly notAfter: number
  /** Its public half, as it stands in the bundle. */
  readonly authority: JwtAuthority
  readonly #privateKey: KeyObject
  readonly #algorithm: Algorithm

  private constructor(
    { publicKey, privateKey }: { publicKey: KeyObject; privateKey: KeyObject },
    algorithm: Algorithm,
    { notBefore, notAfter }: Lifetime,
  ) {
    const spki = publicKey.export({ format: 'der', type: 'spki' })
    this.id = createHash('sha256').update(spki).digest('base64url')
    this.notBefore = notBefore
    this.notAfter = notAfter
    this.authority = JwtAuthority.fromJwk({ ...publicKey.export({ format: 'jwk' }), kid: this.id })
    this.#privateKey = privateKey
    this.#algorithm = algorithm
  }

  static async create(keyType: JwtKeyType, lifetime: Lifetime): Promise<JwtSigner> {
    const algorithm = ALGORITHMS.get(keyType) ?? RS256
    return new JwtSigner(await generateKeyPair(keyType), algorithm, lifetime)
  }

  /** Signs what the claims say, and whatever the header says. */
  sign(claims: JwtMembers, header: JwtMembers = {}): string {
    const { alg, hash } = this.#algorithm
    const input = `${encode({ alg, kid: this.id, typ: 'JWT', ...header })}.${encode(claims)}`
    const key = { key: this.#privateKey, dsaEncoding: 'ieee-p1363' as const }
    return `${input}.${sign(hash, Buffer.from(input), key).toString('base64url')}`
  }
}

function encode(members: JwtMembers): string {
  return Buffer.from(JSON.stringify(members)).toString('base64url')
}
