import { generateKeyPairSync, sign } from 'node:crypto'
import { BundleSet, JwtBundle, TrustDomain } from '@fastify-spiffe/spiffe'

const encode = (part: object): string => Buffer.from(JSON.stringify(part)).toString('base64url')

export const WEB = 'spiffe://example.org/acme/web'
export const AUDIENCE = 'orders'

/** Issues tokens of one trust domain, and is a source that has its bundle. */
export class TokenIssuer {
  readonly #key = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  readonly #bundle: JwtBundle
  jwtBundles: BundleSet<JwtBundle>

  constructor(trustDomain = 'example.org') {
    const jwk = { ...this.#key.publicKey.export({ format: 'jwk' }), kid: 'k1' }
    const keys = JSON.stringify({ keys: [jwk] })
    this.#bundle = JwtBundle.fromJwks(TrustDomain.parse(trustDomain), keys)
    this.jwtBundles = BundleSet.of(this.#bundle)
  }

  /** A good token of {@link WEB} for {@link AUDIENCE}, for five minutes, where the claims say nothing else. */
  token(claims: object = {}, header: object = {}): string {
    const exp = Math.floor(Date.now() / 1000) + 300
    const payload = encode({ sub: WEB, aud: [AUDIENCE], exp, ...claims })
    const input = `${encode({ alg: 'ES256', kid: 'k1', typ: 'JWT', ...header })}.${payload}`
    const key = { key: this.#key.privateKey, dsaEncoding: 'ieee-p1363' } as const
    return `${input}.${sign('sha256', Buffer.from(input), key).toString('base64url')}`
  }

  /** Takes the key out of the bundle. */
  withdraw(): void {
    this.jwtBundles = BundleSet.of(JwtBundle.of(this.#bundle.trustDomain, []))
  }
}
