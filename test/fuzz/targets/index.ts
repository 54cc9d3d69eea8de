import type { Judge } from '../../support/judges/judge.ts'
import { entry } from '../support/run-target.ts'
import type { TargetEntry } from '../support/target.ts'
import { openProviders } from './attribute-provider.ts'
import { openAuthzen } from './authzen.ts'
import { openBundleMaps, openBundles } from './bundle.ts'
import { openCallChains } from './call-chain.ts'
import { openCertificates } from './certificate.ts'
import { openChains } from './chain.ts'
import { openDecisionKeys } from './decision-key.ts'
import { openDer } from './der.ts'
import { openFileSets } from './file-source.ts'
import { openForwardedFor } from './forwarded-for.ts'
import { openClientCert, openXfcc } from './forwarded.ts'
import { openHopTokens } from './hop-token.ts'
import { openJson } from './json.ts'
import { openOcspResponses } from './ocsp.ts'
import { openPatterns } from './pattern.ts'
import { openPem } from './pem.ts'
import { openBoots, openPolicies } from './policy.ts'
import { openRevocationLists } from './revocation-list.ts'
import { openSpiffeIds, openTrustDomains } from './spiffe-id.ts'
import { openJwtMessages } from './jwt-message.ts'
import { openJwts } from './jwt.ts'
import { openTufMetadata } from './tuf-metadata.ts'
import { openTufTargets } from './tuf-target.ts'
import { openX509Bundles } from './x509-bundle.ts'
import { openEndpoint } from './workload-endpoint.ts'
import { openMessages } from './workload-message.ts'

/** All targets. The shares are of a thousand, and smaller where an input costs more. */
export function targets(judges: readonly Judge[]): readonly TargetEntry[] {
  return [
    entry('spiffe-id', 140, openSpiffeIds),
    entry('trust-domain', 60, openTrustDomains),
    entry('pattern', 100, openPatterns),
    entry('json', 60, openJson),
    entry('der', 150, openDer),
    entry('certificate', 100, openCertificates),
    entry('chain', 80, () => openChains(judges)),
    entry('pem', 60, openPem),
    entry('revocation-list', 60, openRevocationLists),
    entry('ocsp', 40, openOcspResponses),
    entry('bundle', 40, openBundles),
    entry('bundle-map', 20, openBundleMaps),
    entry('jwt', 40, openJwts),
    entry('x509-bundle', 40, openX509Bundles),
    entry('file-source', 40, openFileSets),
    entry('workload-message', 60, openMessages),
    entry('jwt-message', 40, openJwtMessages),
    entry('workload-endpoint', 5, openEndpoint),
    entry('policy', 30, openPolicies),
    entry('policy-boot', 5, openBoots),
    entry('decision-key', 50, openDecisionKeys),
    entry('forwarded-for', 40, openForwardedFor),
    entry('attribute-provider', 10, openProviders),
    entry('authzen', 10, openAuthzen),
    entry('hop-token', 100, openHopTokens),
    entry('call-chain', 40, openCallChains),
    entry('xfcc', 40, openXfcc),
    entry('client-cert', 40, openClientCert),
    entry('tuf-metadata', 40, openTufMetadata),
    entry('tuf-target', 40, openTufTargets),
  ]
}

/** How many of `inputs` a target gets. */
export function shareOf(
  { share }: TargetEntry,
  among: readonly TargetEntry[],
  inputs: number,
): number {
  const all = among.reduce((sum, other) => sum + other.share, 0)
  return Math.max(1, Math.round((inputs * share) / all))
}
