import type { X509Bundle } from '@fastify-spiffe/spiffe'
import type { IssuedIdentity, WorkloadState } from '../workload/workload.ts'
import type { StreamMethod, WorkloadApiMessage } from './service.ts'

/** The complete state of a workload as a response of `method`. */
export function messageOf(method: StreamMethod, state: WorkloadState): WorkloadApiMessage {
  const { identities, bundle, federatedBundles } = state
  if (method === 'FetchJWTBundles') {
    const bundles = [...state.jwtBundles].map((each) => [
      each.trustDomain.id.toString(),
      Buffer.from(each.toJwks()),
    ])
    return { bundles: Object.fromEntries(bundles) }
  }
  if (method === 'FetchX509Bundles') {
    return {
      crl: revocationLists(state),
      bundles: bundlesByDomain([bundle, ...federatedBundles]),
    }
  }
  return {
    crl: revocationLists(state),
    svids: withoutRepeatedHints(identities).map((identity) => svidMessage(identity, bundle)),
    federated_bundles: bundlesByDomain(federatedBundles),
  }
}

function revocationLists({ bundle, federatedBundles }: WorkloadState): Buffer[] {
  return [bundle, ...federatedBundles].flatMap((each) => each.revocationLists.map(({ raw }) => raw))
}

function svidMessage({ spiffeId, hint, minted }: IssuedIdentity, bundle: X509Bundle): object {
  return {
    spiffe_id: spiffeId.toString(),
    x509_svid: minted.certificates,
    x509_svid_key: minted.privateKey,
    bundle: bundleBytes(bundle),
    hint,
  }
}

// Keys start with `spiffe://`, so none of them can touch the prototype.
function bundlesByDomain(bundles: readonly X509Bundle[]): Record<string, Buffer> {
  return Object.fromEntries(
    bundles.map((bundle) => [bundle.trustDomain.id.toString(), bundleBytes(bundle)]),
  )
}

function bundleBytes({ authorities }: X509Bundle): Buffer {
  return Buffer.concat(authorities.map(({ raw }) => raw))
}

/** As SPIRE does it: of several identities with one hint, the first is served. */
export function withoutRepeatedHints(identities: readonly IssuedIdentity[]): IssuedIdentity[] {
  return identities.filter(
    ({ hint }, index) =>
      hint === '' || identities.findIndex((other) => other.hint === hint) === index,
  )
}
