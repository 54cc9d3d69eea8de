import { createHash } from 'node:crypto'
import { type JWTPayload, jwtVerify, type JWTVerifyGetKey } from 'jose'
import type {
  AttributeCaller,
  AttributeProvider,
  ProviderResult,
  RefusedAttributes,
} from '../attributes/provider.ts'
import { keysOf, MAX_AGE_MS } from './keys.ts'
import { type JwtClaimsOptions, type JwtClaimsSettings, readJwtOptions } from './options.ts'
import { assertPlainToken } from './token.ts'
import { TokenCache } from './token-cache.ts'
import { type TokenFault, tokenFaultOf } from './token-fault.ts'

/** Of SHA-256. */
const DIGEST_BYTES = 32
const NOTHING: ProviderResult = { get: () => undefined }

/**
 * Provides the claims of a bearer token (RFC 7519) as the attributes `jwt.<claim>`: strings as they
 * are, numbers and booleans as text, lists and objects as JSON. The token is verified: signature,
 * issuer, audience, expiry. One that is not good refuses the request. A decision by its claims
 * lives no longer than the token.
 *
 * Needs the package `jose`.
 *
 * @throws {PolicyError} `unknown-option`, `invalid-option`
 */
export function jwtClaims(options: JwtClaimsOptions): AttributeProvider {
  const provider = new JwtClaims(readJwtOptions(options))
  return { group: 'jwt', provide: (_call, caller) => provider.provide(caller) }
}

/** A token that was good. Times in milliseconds since the epoch. */
interface VerifiedToken {
  readonly claims: JWTPayload
  readonly verifiedAt: number
  readonly endsAt: number
}

class JwtClaims {
  readonly #settings: JwtClaimsSettings
  readonly #keys: JWTVerifyGetKey
  /** By a digest: a token is a secret. */
  readonly #verified: TokenCache<VerifiedToken>

  constructor(settings: JwtClaimsSettings) {
    this.#settings = settings
    this.#keys = keysOf(settings.jwks, settings.cooldownMs, settings.clock)
    this.#verified = new TokenCache(settings.maxCachedTokens)
  }

  async provide(caller: AttributeCaller): Promise<ProviderResult> {
    const { header, required, maxTokenBytes, certificateBound } = this.#settings
    const value = caller.attribute('headers', header)
    if (value === undefined) return required ? refused('missing') : NOTHING
    if (value === null) return refused('malformed')
    if (value.length > maxTokenBytes) return refused('too-long')
    const claims = await this.#verify(value.replace(/^Bearer +/i, ''), caller)
    if (typeof claims === 'string') return refused(claims)
    if (certificateBound && !isBoundTo(claims, caller)) return refused('not-bound')
    return { get: (name) => textOf(claims, name), notAfter: (claims.exp ?? 0) * 1000 }
  }

  /** The claims of a good token; of any other what is wrong with it. Rejects when the keys cannot be had. */
  async #verify(token: string, caller: AttributeCaller): Promise<JWTPayload | TokenFault> {
    const { clock, clockToleranceMs } = this.#settings
    const digest = createHash('sha256').update(token).digest('base64')
    const known = this.#verified.get(caller, digest)
    const now = clock()
    if (known !== undefined && now >= known.verifiedAt && now < known.endsAt) return known.claims
    try {
      const claims = await this.#verifyAnew(token)
      const expiresAt = (claims.exp ?? 0) * 1000 + clockToleranceMs
      // The issuer may have withdrawn the key meanwhile.
      const endsAt = Math.min(expiresAt, now + MAX_AGE_MS)
      this.#verified.set(caller, digest, { claims, verifiedAt: now, endsAt })
      return claims
    } catch (error) {
      const fault = tokenFaultOf(error)
      if (fault === null) throw error
      return fault
    }
  }

  async #verifyAnew(token: string): Promise<JWTPayload> {
    const { issuer, audience, algorithms, clock, clockToleranceMs } = this.#settings
    assertPlainToken(token)
    const { payload } = await jwtVerify(token, this.#keys, {
      issuer,
      audience: [audience].flat(),
      algorithms: [...algorithms],
      requiredClaims: ['exp', 'iss', 'aud'],
      clockTolerance: clockToleranceMs / 1000,
      currentDate: new Date(clock()),
    })
    return payload
  }
}

function refused(code: TokenFault): RefusedAttributes {
  return { refused: true, code }
}

/** RFC 8705 §3.1: `x5t#S256` is the SHA-256 digest of the caller's certificate. */
function isBoundTo({ cnf }: JWTPayload, { fingerprint256 }: AttributeCaller): boolean {
  if (typeof cnf !== 'object' || cnf === null || fingerprint256 === null) return false
  const fingerprint = Buffer.from(fingerprint256.replaceAll(':', ''), 'hex')
  // What is not a digest binds nothing, whatever the token says.
  if (fingerprint.length !== DIGEST_BYTES) return false
  return Reflect.get(cnf, 'x5t#S256') === fingerprint.toString('base64url')
}

function textOf(claims: JWTPayload, name: string): string | undefined {
  if (!Object.hasOwn(claims, name)) return undefined
  const value = claims[name]
  if (value === undefined || value === null) return undefined
  // Two different numbers that JavaScript rounds have the same text.
  if (typeof value === 'number' && Number.isInteger(value) && !Number.isSafeInteger(value)) {
    throw new RangeError(`the claim is a whole number that is not read exactly`)
  }
  return typeof value === 'string' ? value : JSON.stringify(value)
}
