import { describeCause } from '../describe.ts'
import { SpiffeError } from '../errors.ts'
import { TrustDomain } from '../id/spiffe-id.ts'
import { rawMembers } from '../json/raw-members.ts'
import { atOnce } from '../steps.ts'
import { Bundle } from './bundle.ts'
import { BundleSet } from './bundle-set.ts'
import { asObject, invalid, parseObject, textOf } from './jwk-set.ts'
import { writeBundle } from './write-bundle.ts'

const MAX_BYTES = 16 * 1024 * 1024
const MAX_TRUST_DOMAINS = 10_000

/**
 * Reads a SPIFFE Bundle Map: the bundles of several trust domains in one text of at most 16 MiB, each with at most 4 MiB.
 * Refresh hints of the bundles in it mean nothing, and are left out. A map is good as a whole, or refused.
 *
 * @throws {@link SpiffeError} `invalid-bundle`, with the reason as its cause: for a key that occurs twice anywhere in the
 *   text, a key of `trust_domains` that is not the name of a trust domain, or a bundle that cannot be read
 */
export function parseBundleMap(input: string | Uint8Array): BundleSet<Bundle> {
  try {
    const text = atOnce(textOf(input, MAX_BYTES))
    asObject(parseObject(text, MAX_BYTES)['trust_domains'], 'trust_domains')
    const bundles = rawMembers(rawMembers(text).get('trust_domains') ?? '{}')
    if (bundles.size > MAX_TRUST_DOMAINS) {
      throw invalid(`it has more than ${MAX_TRUST_DOMAINS} trust domains`)
    }
    return BundleSet.of(...Array.from(bundles, ([name, raw]) => readOne(name, raw)))
  } catch (cause) {
    const message = `the bundle map cannot be read: ${describeCause(cause)}`
    throw new SpiffeError('invalid-bundle', message, { cause })
  }
}

/**
 * Writes a SPIFFE Bundle Map, without the refresh hints of the bundles.
 * @throws {@link SpiffeError} `invalid-certificate` for an authority that OpenSSL does not take
 */
export function stringifyBundleMap(bundles: BundleSet<Bundle>): string {
  const members = Array.from(bundles, writeMember)
  return `{"trust_domains":{${members.join(',')}}}`
}

function writeMember({ trustDomain, x509, jwt, witKeys, sequence }: Bundle): string {
  const written = atOnce(writeBundle({ x509, jwt, witKeys, sequence, refreshHintMs: null }))
  return `${JSON.stringify(trustDomain.name)}:${written}`
}

function readOne(name: string, raw: string): Bundle {
  const parsed = TrustDomain.safeParse(name)
  if (!parsed.ok) throw parsed.error
  // The name alone: of `spiffe://example.org` beside `example.org` one would be lost.
  if (parsed.value.name !== name) throw invalid('the keys of trust_domains must be bare names')
  const { x509, jwt, witKeys, sequence } = Bundle.parse(parsed.value, raw)
  return Bundle.of(parsed.value, { x509, jwt, witKeys, sequence })
}
