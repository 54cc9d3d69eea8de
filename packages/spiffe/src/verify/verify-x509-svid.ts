import type { X509Certificate } from 'node:crypto'
import { SpiffeError } from '../errors.ts'
import { SpiffeId } from '../id/spiffe-id.ts'
import { X509Bundle } from '../x509/bundle.ts'
import type { BundleSet } from '../bundle/bundle-set.ts'
import { Certificate } from '../x509/certificate.ts'
import { leafRefusal, readClaimedId } from './leaf-profile.ts'
import { clockSkewOf, timeWindow } from './clock-skew.ts'
import { validityRefusal } from './issuer-rules.ts'
import { PathSearch, type PathSearchParts } from './path-search.ts'
import type { Refusal } from './refusal.ts'
import { RevocationPolicies, type RevocationPolicy } from './revocation-policy.ts'
import type { Verification, VerificationRefusal } from './verification.ts'

/** The bounds of one verification. */
export interface VerificationBudget {
  /** How many certificates a peer may send, the leaf included. Default 512. */
  readonly maxCertificates?: number
  /** The size of all of them together, in bytes. Default 102,400. */
  readonly maxBytes?: number
  /**
   * How many signature checks it may take, of about 0.05 ms each with P-256. Default 400. A check with
   * P-384 counts as 9, with P-521 as 20, with RSA of 8192 bits as 4.
   */
  readonly maxSignatureChecks?: number
}

/** Options of `verifyX509Svid`. */
export interface VerifyOptions {
  /** The time in milliseconds since the epoch. Default `Date.now`. */
  readonly clock?: () => number
  /**
   * How far the clock of the peer's authority may be from ours, in milliseconds, at most
   * {@link MAX_CLOCK_SKEW_MS}. Each certificate on the path is valid this much earlier and longer.
   * Default 0. The times of revocation lists do not change.
   */
  readonly clockSkewMs?: number
  /** What a verification may cost. Default: the limits of {@link VerificationBudget}. */
  readonly budget?: VerificationBudget
  /**
   * Whether the path may have an intermediate whose SPIFFE ID is of another trust domain than the
   * leaf's, against X509-SVID §3.2 (SHOULD). Trust domains below one root can then issue SVIDs for one
   * another, unless more than their names separates them. Default `false`.
   */
  readonly allowIntermediatesOfOtherTrustDomains?: boolean
  /** How the revocation lists of the bundles are used. Default `soft`. */
  readonly revocation?: RevocationPolicy | RevocationPolicies
}

type Sent = readonly (Certificate | X509Certificate)[]

/** More than DEFAULT_MAX_BYTES has room for: the smallest certificates take about 200 bytes. */
const DEFAULT_MAX_CERTIFICATES = 512
/** The largest message of TLS that OpenSSL accepts. */
const DEFAULT_MAX_BYTES = 100 * 1024
/**
 * A path of sixteen certificates costs 320 with the most expensive keys. A hundred kilobytes of
 * authorities with the same name, sent or in a bundle, cost one check each.
 */
const DEFAULT_MAX_SIGNATURE_CHECKS = 400

/**
 * Verifies a peer's X.509-SVID (X509-SVID §5): the leaf names one SPIFFE ID and keeps the rules for
 * leaves, and a path leads from it to an authority in the bundle of *its own* trust domain, never of
 * another one. Synchronous; it takes one signature check for each link of the path.
 *
 * It never throws because of what a peer sent: that is a refusal. An extended key usage of the leaf
 * must have both serverAuth and clientAuth. Certificate policies count only if an issuer requires one.
 *
 * @param chain the certificates as sent, leaf first; the others are candidates in any order
 * @throws {@link SpiffeError} `invalid-option` for a `clockSkewMs` that is out of bounds
 */
export function verifyX509Svid(
  chain: Sent,
  bundles: BundleSet,
  options: VerifyOptions = {},
): Verification {
  const clockSkewMs = clockSkewOf(options)
  try {
    const { clock = Date.now, budget = {} } = options
    const excess = budgetRefusal(chain, budget)
    if (excess !== undefined) return refuse(excess)
    const [leaf, ...others] = chain.map(toCertificate)
    const claimedId = readClaimedId(leaf!)
    if (!(claimedId instanceof SpiffeId)) return refuse(claimedId)
    const bundle = chooseBundle(claimedId, bundles)
    if (!(bundle instanceof X509Bundle)) return refuse(bundle, claimedId)
    const { maxSignatureChecks = DEFAULT_MAX_SIGNATURE_CHECKS } = budget
    const revocation = policyFor(claimedId, options.revocation)
    const parts = {
      leaf: leaf!,
      sent: others,
      bundle,
      now: clock(),
      clockSkewMs,
      // Written so that only `true` allows.
      allowsOtherTrustDomains: options.allowIntermediatesOfOtherTrustDomains === true,
      maxSignatureChecks,
      revocation,
    }
    return verifyPath(parts, claimedId)
  } catch (error) {
    const message = error instanceof SpiffeError ? error.message : 'the certificates cannot be read'
    return refuse({ code: 'malformed', message })
  }
}

function budgetRefusal(chain: Sent, budget: VerificationBudget): Refusal | undefined {
  const { maxCertificates = DEFAULT_MAX_CERTIFICATES, maxBytes = DEFAULT_MAX_BYTES } = budget
  if (chain.length === 0) {
    return { code: 'no-certificate', message: 'the peer sent no certificate' }
  }
  if (!(chain.length <= maxCertificates)) {
    return { code: 'too-many-certificates', message: `${chain.length} certificates were sent` }
  }
  const bytes = chain.reduce((sum, { raw }) => sum + raw.length, 0)
  if (!(bytes <= maxBytes)) {
    return { code: 'too-many-bytes', message: `the certificates take ${bytes} bytes` }
  }
  return undefined
}

function toCertificate(certificate: Certificate | X509Certificate): Certificate {
  return certificate instanceof Certificate ? certificate : Certificate.fromX509(certificate)
}

/** X509-SVID §5, SPIFFE Federation §7: the bundle of the claimed trust domain, never another. */
function chooseBundle(claimedId: SpiffeId, bundles: BundleSet): X509Bundle | Refusal {
  const { trustDomain } = claimedId
  const bundle = bundles.get(trustDomain)
  if (bundle === undefined) {
    return { code: 'unknown-trust-domain', message: `there is no bundle of ${trustDomain.name}` }
  }
  if (bundle.authorities.length === 0) {
    return { code: 'empty-bundle', message: `the bundle of ${trustDomain.name} is empty` }
  }
  return bundle
}

function policyFor(
  { trustDomain }: SpiffeId,
  revocation: RevocationPolicy | RevocationPolicies = 'soft',
): RevocationPolicy {
  return revocation instanceof RevocationPolicies ? revocation.for(trustDomain) : revocation
}

function verifyPath(parts: PathSearchParts, spiffeId: SpiffeId): Verification {
  const { leaf, now, clockSkewMs } = parts
  const window = timeWindow(now, clockSkewMs)
  const refusal = leafRefusal(leaf, spiffeId) ?? validityRefusal(leaf, window, 'the leaf')
  if (refusal !== undefined) return refuse(refusal, spiffeId)
  const found = new PathSearch(parts).run()
  if (!found.ok) return refuse(found.refusal, spiffeId)
  const path = Object.freeze(found.path)
  const notAfter = Math.min(...path.map((certificate) => certificate.notAfter))
  const validUntil = Math.min(notAfter + clockSkewMs, found.coveredUntil)
  const svid = { spiffeId, leaf, path, anchor: path.at(-1)!, notAfter, validUntil }
  return Object.freeze({ ok: true, svid: Object.freeze(svid) })
}

function refuse({ code, message }: Refusal, claimedId?: SpiffeId): VerificationRefusal {
  return Object.freeze({
    ok: false,
    code,
    message,
    ...(claimedId === undefined ? {} : { claimedId }),
  })
}
