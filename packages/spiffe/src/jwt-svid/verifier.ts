import type { BundleSet } from '../bundle/bundle-set.ts'
import type { JwtBundle } from '../bundle/jwt-bundle.ts'
import {
  options,
  readVerifyOptions,
  VERIFY_OPTIONS,
  type JwtSettings,
  type JwtVerifyOptions,
} from './options.ts'
import { refuse } from './refusal.ts'
import { digestOf, VerdictCache } from './verdict-cache.ts'
import type { JwtVerification, VerifiedJwtSvid } from './verification.ts'
import { verifyToken } from './verify-token.ts'

/** What has the JWT bundles of now: a `JwtBundleSource`, or an object of one's own. */
export interface JwtBundleHolder {
  readonly jwtBundles: BundleSet<JwtBundle>
}

/** Options of a {@link JwtSvidVerifier}. */
export interface JwtSvidVerifierOptions extends JwtVerifyOptions {
  /** Where the bundles come from. They are looked up for each token, so that a change counts at once. */
  readonly source: JwtBundleHolder
  /**
   * How many accepted tokens of one trust domain are remembered; each KiB of a token counts as one. From 0 on, 0 for
   * none, up to 1,000,000. Default 1000. All trust domains together have sixteen times as much.
   */
  readonly maxCachedTokens?: number
}

const KEYS = [...VERIFY_OPTIONS, 'source', 'maxCachedTokens']

/**
 * Verifies JWT-SVIDs offline, as `verifyJwtSvid` does, and remembers which it has accepted: by a digest, until they
 * expire, and for as long as the authority that signed them is in the bundle. Refusals are not remembered.
 */
export class JwtSvidVerifier {
  readonly #source: JwtBundleHolder
  readonly #settings: JwtSettings
  readonly #verdicts: VerdictCache

  /** @throws {@link SpiffeError} `unknown-option`, `invalid-option` */
  constructor(given: JwtSvidVerifierOptions) {
    options.assertKnown('JwtSvidVerifier', given, KEYS)
    const { source } = given
    if (!hasBundles(source)) options.refuse('source', source, 'must have jwtBundles')
    this.#source = source
    this.#settings = readVerifyOptions(given)
    const bounds = { min: 0, max: 1_000_000, defaultValue: 1000 }
    const maxTokens = options.asInteger('maxCachedTokens', given.maxCachedTokens, bounds)
    this.#verdicts = new VerdictCache(maxTokens)
  }

  /** How many accepted tokens are remembered now. */
  get cachedTokens(): number {
    return this.#verdicts.size
  }

  /**
   * The verdict on a token that was accepted before and would be accepted again; `undefined` says nothing about a token.
   * Synchronous, and takes about two microseconds.
   */
  cached(token: string): JwtVerification | undefined {
    return this.#isDigestible(token) ? this.#lookUp(digestOf(token)) : undefined
  }

  /** Verifies a token, or finds what {@link cached} finds. Never rejects because of the token. */
  async verify(token: string): Promise<JwtVerification> {
    // What is not will be refused, without a look into the cache.
    const digest = this.#isDigestible(token) ? digestOf(token) : ''
    const known = this.#lookUp(digest)
    if (known !== undefined) return known
    const verifiedAt = this.#settings.clock()
    const verification = await verifyToken(token, this.#source.jwtBundles, this.#settings)
    if (!verification.ok) return verification
    const { spiffeId } = verification.svid
    // Meanwhile the bundle may have changed, or the token expired.
    if (!this.#hasAuthorityOf(verification.svid)) {
      return refuse('unknown-key', 'the authority has just left the bundle', spiffeId)
    }
    if (!this.holds(verification.svid)) {
      return refuse('expired', 'the token has just expired', spiffeId)
    }
    this.#verdicts.set(digest, token, verification, verifiedAt)
    return verification
  }

  /**
   * Whether an SVID that was verified here is still good: it has not expired, and the authority that signed it is in the
   * bundle. For requests and connections that outlive the verification. Synchronous.
   */
  holds(svid: VerifiedJwtSvid): boolean {
    return this.#settings.clock() < svid.validUntil && this.#hasAuthorityOf(svid)
  }

  /** The digest of a long text takes long. */
  #isDigestible(token: string): boolean {
    return typeof token === 'string' && token.length <= this.#settings.maxTokenBytes
  }

  #lookUp(digest: string): JwtVerification | undefined {
    const known = this.#verdicts.get(digest, this.#settings.clock())
    if (known === undefined || this.holds(known.svid)) return known
    this.#verdicts.delete(digest)
    return undefined
  }

  #hasAuthorityOf({ spiffeId, authority }: VerifiedJwtSvid): boolean {
    return this.#source.jwtBundles.get(spiffeId.trustDomain)?.has(authority) === true
  }
}

function hasBundles(value: unknown): value is JwtBundleHolder {
  return typeof value === 'object' && value !== null && 'jwtBundles' in value
}
