import { X509Certificate } from 'node:crypto'
import type { Question } from './judge.ts'

const SPIFFE_URI = /URI:spiffe:\/\/([^/,"\s]+)/i

/**
 * The anchors that a judge of mere paths is given, which knows neither SPIFFE IDs nor trust domains: those of the
 * trust domain that the first `spiffe:` URI of the leaf names, or of the first bundle where there is no such URI.
 * It is read by OpenSSL and a regular expression, so that our own reader has no part in it.
 */
export function anchorsFor({ chain, bundles }: Question): readonly Uint8Array[] {
  const name = namedTrustDomain(chain[0])
  const [first = []] = bundles.values()
  return name === undefined ? first : (bundles.get(name) ?? [])
}

function namedTrustDomain(leaf: Uint8Array | undefined): string | undefined {
  if (leaf === undefined) return undefined
  try {
    return SPIFFE_URI.exec(new X509Certificate(leaf).subjectAltName ?? '')?.[1]
  } catch {
    return undefined
  }
}
