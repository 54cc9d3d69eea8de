import { SpiffeError } from '../errors.ts'
import { inspectAsText } from '../id/inspect.ts'
import type { SpiffeId } from '../id/spiffe-id.ts'
import { readClaims } from '../jwt-svid/claims.ts'
import { readCompactJwt } from '../jwt-svid/compact-jwt.ts'
import { readHeader } from '../jwt-svid/header.ts'
import { readVerifyOptions } from '../jwt-svid/options.ts'

/** Octets of a token: more than the header of a request has room for. */
const MAX_TOKEN_BYTES = 65_536

/** Options of {@link JwtSvid.parse}. */
export interface JwtSvidOptions {
  /** Who the token was asked for: all of them must be in its `aud`. */
  readonly audience: string | readonly string[]
  /** The operator's word for what the SVID is for (Workload API §6.2.1). Default: none. */
  readonly hint?: string
  /** The time in milliseconds since the epoch. Default `Date.now`. */
  readonly clock?: () => number
}

/**
 * The workload's own JWT-SVID, which is presented to others as `Authorization: Bearer`. Immutable. The token is a secret:
 * only {@link token} returns it, and JSON, `util.inspect` and errors do not show it.
 *
 * Its signature is not checked: it is what the Workload API gave to this workload, and those to whom it is presented
 * check it. For the tokens of others: `verifyJwtSvid`.
 */
export class JwtSvid {
  readonly spiffeId: SpiffeId
  /** All services that the token is for. */
  readonly audience: readonly string[]
  /** When the token expires: milliseconds since the epoch, exclusive. */
  readonly expiresAt: number
  /** When the token was issued, in milliseconds since the epoch, if it says so. */
  readonly issuedAt: number | undefined
  /** The authority that signed, if the token names it. */
  readonly keyId: string | undefined
  /** `''` when there is none. */
  readonly hint: string
  readonly #token: string

  static {
    inspectAsText(this)
  }

  private constructor(token: string, { audience: given, hint = '', clock }: JwtSvidOptions) {
    const settings = readVerifyOptions({
      audience: given,
      ...(clock !== undefined && { clock }),
    })
    if (Buffer.byteLength(token) > MAX_TOKEN_BYTES) throw invalidSvid('it is too long')
    const read = readCompactJwt(token)
    if (typeof read === 'string') throw invalidSvid(read)
    const header = readHeader(read.header)
    if (!header.ok) throw invalidSvid(header.message)
    const claims = readClaims(read.claims, settings, settings.clock())
    if (!claims.ok) throw invalidSvid(claims.message)
    const { spiffeId, audience, expiresAt } = claims
    if (!settings.audience.every((name) => audience.includes(name))) {
      throw invalidSvid('aud does not have all names that were asked for')
    }
    const { iat } = read.claims
    this.spiffeId = spiffeId
    this.audience = audience
    this.expiresAt = expiresAt
    this.issuedAt = typeof iat === 'number' ? iat * 1000 : undefined
    this.keyId = header.keyId
    this.hint = hint
    this.#token = token
    Object.freeze(this)
  }

  /**
   * Reads a token that the Workload API gave to this workload. It must have the form, the header and the claims of a
   * JWT-SVID (JWT-SVID §2, §3), name everybody that it was asked for, and be valid now.
   * @throws {@link SpiffeError} `invalid-svid`, `invalid-option`
   */
  static parse(token: string, options: JwtSvidOptions): JwtSvid {
    return new JwtSvid(token, options)
  }

  /** The token in compact serialization, for the header `Authorization`. Never write it to a file or a log. */
  get token(): string {
    return this.#token
  }

  isExpired(now: number): boolean {
    return !(now < this.expiresAt)
  }

  toJSON(): Record<string, unknown> {
    const { spiffeId, audience, expiresAt, issuedAt, keyId, hint } = this
    return { spiffeId: spiffeId.toString(), audience, expiresAt, issuedAt, keyId, hint }
  }

  /** The SPIFFE ID, whom it is for, and when it ends. */
  toString(): string {
    const audience = JSON.stringify(this.audience)
    const end = new Date(this.expiresAt).toISOString()
    return `${this.spiffeId.toString()} for ${audience}, expires ${end}`
  }
}

function invalidSvid(message: string): SpiffeError {
  return new SpiffeError('invalid-svid', `not a valid JWT-SVID: ${message}`)
}
