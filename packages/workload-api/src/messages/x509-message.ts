import { SpiffeId } from '@fastify-spiffe/spiffe'
import type { OwnSvid } from '@fastify-spiffe/spiffe/internal'

import { WorkloadApiError } from '../errors.ts'
import type { RawX509SvidResponse } from './decode.ts'
import { withoutRepeatedHints } from './hints.ts'
import { LIMITS, checkLimit } from './limits.ts'
import { checkMandatory } from './mandatory-fields.ts'
import { OwnBundles } from './own-bundles.ts'
import { readOwnSvid } from './own-svid.ts'
import type { Problem } from './parsed-message.ts'

/** A well-formed message of `FetchX509SVID`, whose times are not checked yet. */
export interface X509Message {
  /** At least one; the first is the default identity. */
  readonly own: readonly OwnSvid[]
  readonly federatedBundles: ReadonlyMap<string, Buffer>
  readonly crl: readonly Buffer[]
  /** The malformed parts that were left out. */
  readonly problems: readonly Problem[]
}

/**
 * Reads a message, or refuses it whole: one over the limits; one without SVIDs or with an empty
 * mandatory field; one whose first SVID is malformed. A later SVID that is malformed is left out.
 *
 * In any case it overwrites the private keys in the message: they are key objects from here on, and
 * their bytes must not wait for the garbage collector.
 *
 * @throws {@link WorkloadApiError}
 */
export function readX509Message(message: RawX509SvidResponse): X509Message {
  try {
    return read(message)
  } finally {
    for (const { x509SvidKey } of message.svids) x509SvidKey.fill(0)
  }
}

function read(message: RawX509SvidResponse): X509Message {
  checkComplete(message)
  const problems: Problem[] = []
  const bundles = new OwnBundles()
  const own: OwnSvid[] = []
  for (const [index, raw] of withoutRepeatedHints(message.svids).entries()) {
    try {
      const bundle = bundles.parse(raw)
      own.push({ svid: readOwnSvid(raw), bundle })
    } catch (error) {
      if (index === 0 || !(error instanceof WorkloadApiError)) throw error
      problems.push({ part: 'svid', error })
    }
  }
  const federatedBundles = withoutOwn(message, problems)
  return { own, federatedBundles, crl: message.crl, problems }
}

function checkComplete({ svids, federatedBundles }: RawX509SvidResponse): void {
  if (svids.length === 0) throw new WorkloadApiError('invalid-message', 'a message has no SVID')
  checkLimit('SVIDs', svids.length, LIMITS.svids)
  checkLimit('bundles', svids.length + federatedBundles.size, LIMITS.bundles)
  for (const [index, svid] of svids.entries()) {
    checkMandatory(`SVID ${index}`, svid, ['spiffeId', 'x509Svid', 'x509SvidKey', 'bundle'])
    checkLimit('bytes of a bundle', svid.bundle.length, LIMITS.bundleBytes)
  }
  for (const bundle of federatedBundles.values()) {
    checkLimit('bytes of a bundle', bundle.length, LIMITS.bundleBytes)
  }
}

/** The federated bundles without those of the own trust domains, which come inside the SVIDs only. */
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
