import {
  Bundle,
  BundleSet,
  stringifyBundleMap,
  type X509MaterialSource,
} from '@fastify-spiffe/spiffe'
import { writePem } from '@fastify-spiffe/spiffe/internal'

/** The names that spiffe-helper gives its files, and that of the bundles of all trust domains. */
const NAMES = {
  svid: 'svid.pem',
  key: 'svid_key.pem',
  bundle: 'svid_bundle.pem',
  bundleMap: 'bundle_map.json',
} as const

/** What the files of a source hold; `null` while it has no SVID to present, or no bundle for it. */
export function contentsOf(
  { svid, bundles }: X509MaterialSource,
  withBundleMap: boolean,
): ReadonlyMap<string, string> | null {
  const own = svid === null ? undefined : bundles.get(svid.spiffeId.trustDomain)
  if (svid === null || own === undefined) return null
  const files = new Map<string, string>([
    [NAMES.svid, svid.exportCertificatesPem()],
    [NAMES.key, svid.exportPrivateKeyPem()],
    [NAMES.bundle, own.authorities.map(({ raw }) => writePem('CERTIFICATE', raw)).join('')],
  ])
  if (withBundleMap) files.set(NAMES.bundleMap, bundleMapOf(bundles))
  return files
}

function bundleMapOf(bundles: BundleSet): string {
  const all = Array.from(bundles, (x509) => Bundle.of(x509.trustDomain, { x509 }))
  return `${stringifyBundleMap(BundleSet.of(...all))}\n`
}
