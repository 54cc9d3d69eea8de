import { X509Certificate } from 'node:crypto'
import type { MintedCa, MintedCertificate } from '@fastify-spiffe/authority'
import { BundleSet, verifyX509Svid, X509Bundle } from '@fastify-spiffe/spiffe'
import type {
  RefusalCode,
  TrustDomain,
  Verification,
  VerificationBudget,
} from '@fastify-spiffe/spiffe'

/** The time at which everything is minted and verified. */
export const NOW: number = Date.parse('2026-06-01T12:00:00Z')

export const HOUR_MS = 3_600_000

/** One bundle for each trust domain, of the authorities that are given. */
export function bundlesOf(...authorities: readonly MintedCa[]): BundleSet {
  const domains = new Map(authorities.map(({ trustDomain }) => [trustDomain.name, trustDomain]))
  return BundleSet.of(...[...domains.values()].map((domain) => bundleOf(domain, authorities)))
}

function bundleOf(domain: TrustDomain, authorities: readonly MintedCa[]): X509Bundle {
  const own = authorities.filter(({ trustDomain }) => trustDomain.equals(domain))
  return X509Bundle.of(
    domain,
    own.map(({ certificate }) => certificate),
  )
}

export interface VerdictOptions {
  readonly now?: number
  readonly budget?: VerificationBudget
}

/** Verifies a chain as `node:tls` hands it out. */
export function verification(
  presented: MintedCertificate | readonly Uint8Array[],
  bundles: BundleSet,
  { now = NOW, budget = {} }: VerdictOptions = {},
): Verification {
  const chain = 'chain' in presented ? presented.chain : presented
  const certificates = chain.map((der) => new X509Certificate(der))
  return verifyX509Svid(certificates, bundles, { clock: () => now, budget })
}

export function verdict(
  presented: MintedCertificate | readonly Uint8Array[],
  bundles: BundleSet,
  options: VerdictOptions = {},
): RefusalCode | 'accepted' {
  const outcome = verification(presented, bundles, options)
  return outcome.ok ? 'accepted' : outcome.code
}
