import { BundleSet, SpiffeId } from '@fastify-spiffe/spiffe'
import type { X509Svid } from '@fastify-spiffe/spiffe'

import { WorkloadApiError } from '../errors.ts'
import { parseBundles } from './bundles.ts'
import type { RawX509Svid, RawX509SvidResponse } from './decode.ts'
import { LIMITS, checkLimit } from './limits.ts'
import { OwnBundles } from './own-bundles.ts'
import { parseOwnSvid } from './own-svid.ts'
import type { ParsedMessage, Problem } from './parsed-message.ts'
import { distribute } from './revocation-lists.ts'

/** One complete state of the workload's X.509 identities: what is not in it does not hold any more. */
export interface X509Context {
  /** At least one; the first is the default identity. */
  readonly svids: readonly X509Svid[]
  /**
   * The bundle of every trust domain that may be trusted, the own ones and the federated ones, with the
   * revocation lists that came along. SPIRE sends none.
   */
  readonly bundles: BundleSet
}

/**
 * Turns a message of `FetchX509SVID` into a state, or refuses it whole.
 *
 * Refused whole: a message over the limits; one without SVIDs or with an empty mandatory field; one
 * whose first SVID (the default identity) is bad, because the second must not take its place by
 * accident; one whose SVIDs of the same trust domain disagree about its bundle.
 * Left out and reported in `problems`: any later bad SVID; a bad federated bundle; a revocation list
 * that is not used.
 *
 * In any case the private keys of the message are overwritten: they live on as key objects, and their
 * bytes need not wait for the garbage collector.
 *
 * @throws {@link WorkloadApiError}
 */
export function parseX509Context(
  message: RawX509SvidResponse,
  clock: () => number,
): ParsedMessage<X509Context> {
  try {
    return parse(message, clock)
  } finally {
    for (const { x509SvidKey } of message.svids) x509SvidKey.fill(0)
  }
}

function parse(message: RawX509SvidResponse, clock: () => number): ParsedMessage<X509Context> {
  checkComplete(message)
  const problems: Problem[] = []
  const own = new OwnBundles()
  const svids: X509Svid[] = []
  for (const [index, raw] of withoutRepeatedHints(message.svids).entries()) {
    try {
      const bundle = own.parse(raw)
      svids.push(parseOwnSvid(raw, bundle, clock))
      own.trust(bundle)
    } catch (error) {
      if (index === 0 || !isAboutOne(error)) throw error
      problems.push({ part: 'svid', error })
    }
  }
  const federated = parseBundles(withoutOwn(message, problems), problems)
  const bundles = distribute(message.crl, [...own.trusted, ...federated], svids, problems)
  return {
    value: Object.freeze({
      svids: Object.freeze(svids),
      bundles: BundleSet.of(...bundles),
    }),
    problems,
  }
}

// Workload API §5.2.1, §4.5: a mandatory field with its default value: the message is discarded.
function checkComplete({ svids, federatedBundles }: RawX509SvidResponse): void {
  if (svids.length === 0) throw new WorkloadApiError('invalid-message', 'a message has no SVID')
  checkLimit('SVIDs', svids.length, LIMITS.svids)
  checkLimit('bundles', svids.length + federatedBundles.size, LIMITS.bundles)
  for (const [index, svid] of svids.entries()) {
    for (const field of ['spiffeId', 'x509Svid', 'x509SvidKey', 'bundle'] as const) {
      if (svid[field].length === 0) {
        throw new WorkloadApiError('invalid-message', `SVID ${index} of a message has no ${field}`)
      }
    }
    checkLimit('bytes of a bundle', svid.bundle.length, LIMITS.bundleBytes)
  }
  for (const bundle of federatedBundles.values()) {
    checkLimit('bytes of a bundle', bundle.length, LIMITS.bundleBytes)
  }
}

// Workload API §5.2: of SVIDs with the same hint the first is used, the others are ignored.
function withoutRepeatedHints(svids: readonly RawX509Svid[]): readonly RawX509Svid[] {
  const hints = new Set<string>()
  return svids.filter(({ hint }) => {
    const repeated = hints.has(hint)
    if (hint !== '') hints.add(hint)
    return !repeated
  })
}

/** Whether an error concerns its SVID alone, so that the others of the message are still good. */
function isAboutOne(error: unknown): error is WorkloadApiError {
  return error instanceof WorkloadApiError && error.code !== 'conflicting-bundles'
}

/** The federated bundles but for the own trust domains: their bundles come inside the SVIDs only. */
function withoutOwn(
  { svids, federatedBundles }: RawX509SvidResponse,
  problems: Problem[],
): ReadonlyMap<string, Buffer> {
  const foreign = new Map(federatedBundles)
  const own = svids.map(({ spiffeId }) => SpiffeId.safeParse(spiffeId))
  for (const id of own) {
    if (id.ok && foreign.delete(id.value.trustDomain.id.toString())) {
      const error = new WorkloadApiError(
        'invalid-bundle',
        `a federated bundle has the name of the own trust domain ${id.value.trustDomain.name}`,
      )
      problems.push({ part: 'bundle', error })
    }
  }
  return foreign
}
