import {
  verifyX509Svid,
  type Certificate,
  type RefusalCode,
  type RevocationOptions,
  type RevocationPolicies,
  type RevocationPolicy,
  type SpiffeId,
  type VerifiedX509Svid,
  type X509BundleSource,
} from '@fastify-spiffe/spiffe'
import { FairCache } from '@fastify-spiffe/spiffe/internal'
import { assertClockSkew, assertSource, reader, revocationPolicies } from '../options.ts'
import { BundleVersions } from './bundle-versions.ts'
import { RevalidatedChain } from './revalidated-chain.ts'
import type { TrustStatus } from './trust-status.ts'

/** Options of {@link CertificateVerifier}. `source` is required. */
export interface CertificateVerifierOptions {
  /** Gives the bundles to verify with. */
  readonly source: X509BundleSource
  /**
   * How the revocation lists of the bundles are used: `off`, `soft` or `strict`, or
   * `{ default, trustDomains }` with exceptions by the name of the trust domain. Default `soft`.
   */
  readonly revocation?: RevocationPolicy | RevocationOptions
  /** How far the clocks of authorities may differ from ours, in ms, up to 300,000. Default 0. */
  readonly clockSkewMs?: number
  /**
   * How many signature checks one chain may take, where one with P-256 counts 1, with P-384 9 and with
   * P-521 20; up to 400. Default 64.
   */
  readonly maxSignatureChecks?: number
  /** How many good verdicts are kept, up to 1,000,000. Default 10,000. */
  readonly maxCachedVerdicts?: number
}

const NAMES: readonly (keyof CertificateVerifierOptions)[] = [
  'source',
  'revocation',
  'clockSkewMs',
  'maxSignatureChecks',
  'maxCachedVerdicts',
]

/** Senders choose the size of what they send, so the number of verdicts alone is no limit. */
const MAX_BYTES = 32 * 1024 * 1024

/** Why certificates are not accepted. */
export interface CertificateRejection {
  readonly ok: false
  readonly code: RefusalCode
  readonly message: string
}

/**
 * An X.509-SVID whose path was verified. It says what the certificates say and **does not prove who sent them**:
 * they are public. Whoever uses it asks for a signature by the key of `leaf`, and for {@link isCurrent} each time.
 */
export class VerifiedCertificate {
  readonly ok = true
  readonly spiffeId: SpiffeId
  readonly leaf: Certificate
  /** The verified path without the authority that it ends in, leaf first, as DER. */
  readonly path: readonly Buffer[]
  readonly #status: TrustStatus
  readonly #notAfter: number

  /** @internal */
  constructor(svid: VerifiedX509Svid, path: readonly Buffer[], end: number, status: TrustStatus) {
    this.spiffeId = svid.spiffeId
    this.leaf = svid.leaf
    this.path = path
    this.#notAfter = end
    this.#status = status
    Object.freeze(this)
  }

  /**
   * Whether the verdict still holds at `now` (ms since the epoch): nothing on the path has expired, its authority is
   * in the current bundle, and no revocation list concerns it. Two comparisons, unless the bundles have changed.
   * Once lost, the trust does not come back to this object.
   */
  isCurrent(now: number): boolean {
    return this.#status.isTrusted(now) && now < this.#notAfter
  }

  /** When the verdict ends if the bundles stay as they are, in ms since the epoch. */
  get currentUntil(): number {
    return Math.min(this.#status.trustedUntil, this.#notAfter)
  }
}

/**
 * Verifies X.509-SVIDs that came by another way than a handshake, such as in a header, as the peers of connections are
 * verified: against the bundle of their own trust domain, again whenever the bundles change. It has a cache of its own,
 * which trust domains share fairly, so that what is sent in headers evicts no connection's verdict.
 */
export class CertificateVerifier {
  readonly #versions: BundleVersions
  readonly #revocation: RevocationPolicies
  readonly #clockSkewMs: number
  readonly #maxSignatureChecks: number
  // By SHA-256 of the leaf. Only good verdicts: the same leaf may come again with other intermediates.
  readonly #accepted: FairCache<VerifiedCertificate>

  /** @throws {@link TlsError} `unknown-option`, `invalid-option` */
  constructor(options: CertificateVerifierOptions) {
    reader.assertKnown('CertificateVerifier', options, NAMES)
    const { source, revocation, clockSkewMs = 0, maxSignatureChecks = 64 } = options
    const { maxCachedVerdicts = 10_000 } = options
    assertSource(source)
    assertClockSkew(clockSkewMs)
    reader.asInteger('maxSignatureChecks', maxSignatureChecks, { min: 1, max: 400 })
    reader.asInteger('maxCachedVerdicts', maxCachedVerdicts, { min: 1, max: 1_000_000 })
    this.#versions = new BundleVersions(source)
    this.#revocation = revocationPolicies(revocation)
    this.#clockSkewMs = clockSkewMs
    this.#maxSignatureChecks = maxSignatureChecks
    const minWeight = MAX_BYTES / maxCachedVerdicts
    this.#accepted = new FairCache({
      maxWeight: MAX_BYTES,
      weightOf: ({ path }) =>
        Math.max(
          path.reduce((sum, { length }) => sum + length, 0),
          minWeight,
        ),
    })
  }

  /**
   * Finds a verdict that still holds.
   * @param thumbprint SHA-256 of the leaf's DER in base64url, as `x5t#S256` (RFC 7515 §4.1.8)
   */
  find(thumbprint: string, now: number): VerifiedCertificate | undefined {
    const known = this.#accepted.get(thumbprint)
    if (known === undefined || known.isCurrent(now)) return known
    this.#accepted.delete(thumbprint)
    return undefined
  }

  /**
   * Verifies a chain, and keeps a good verdict under `thumbprint`. Never throws because of what was sent.
   * @param thumbprint as in {@link find}; the caller has computed it from the leaf
   * @param chain leaf first; the others are candidates in any order
   */
  verify(
    thumbprint: string,
    chain: readonly Certificate[],
    now: number,
  ): VerifiedCertificate | CertificateRejection {
    const version = this.#versions.current
    const budget = { maxSignatureChecks: this.#maxSignatureChecks }
    const limits = { clockSkewMs: this.#clockSkewMs, budget }
    const verification = verifyX509Svid(chain, version.bundles, {
      clock: () => now,
      revocation: this.#revocation,
      ...limits,
    })
    if (!verification.ok) {
      return { ok: false, code: verification.code, message: verification.message }
    }
    const { svid } = verification
    const { trustDomain } = svid.spiffeId
    const rules = {
      revocation: this.#revocation.for(trustDomain),
      allowIntermediatesOfOtherTrustDomains: false,
      ...limits,
    }
    const path = Object.freeze(svid.path.slice(0, -1).map(({ raw }) => raw))
    const status = new RevalidatedChain(this.#versions, rules, path, version, svid)
    const verified = new VerifiedCertificate(svid, path, svid.notAfter + this.#clockSkewMs, status)
    this.#accepted.set(trustDomain.name, thumbprint, verified)
    return verified
  }
}
