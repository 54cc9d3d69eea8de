import { BundleSet, TrustDomain, X509Bundle } from '@fastify-spiffe/spiffe'

import { WorkloadApiError, quote, refusal } from '../errors.ts'
import type { RawX509BundlesResponse } from './decode.ts'
import { LIMITS, checkLimit } from './limits.ts'
import type { ParsedMessage, Problem } from './parsed-message.ts'
import { distribute } from './revocation-lists.ts'

/**
 * Turns a message of `FetchX509Bundles` into a set of bundles, or refuses it whole.
 * A bad bundle is left out, so that its trust domain is not trusted, and is reported; so is a
 * revocation list that is not used.
 * @throws {@link WorkloadApiError} `invalid-message`, `limit-exceeded`
 */
export function parseX509Bundles(message: RawX509BundlesResponse): ParsedMessage<BundleSet> {
  checkSizes(message.bundles)
  const problems: Problem[] = []
  const bundles = parseBundles(message.bundles, problems)
  if (bundles.length === 0) throw noneIsGood(problems)
  const complete = distribute(message.crl, bundles, [], problems)
  return { value: BundleSet.of(...complete), problems }
}

/** @throws {@link WorkloadApiError} `invalid-message`, `limit-exceeded` */
export function checkSizes(bundles: ReadonlyMap<string, Buffer>): void {
  // Workload API §5.2.2, §6.2.2: there is at least the bundle of the server's own trust domain.
  if (bundles.size === 0) throw new WorkloadApiError('invalid-message', 'a message has no bundle')
  checkLimit('bundles', bundles.size, LIMITS.bundles)
  for (const { length } of bundles.values()) {
    checkLimit('bytes of a bundle', length, LIMITS.bundleBytes)
  }
}

export function noneIsGood([first]: readonly Problem[]): WorkloadApiError {
  const message = 'no bundle of a message is good'
  return new WorkloadApiError('invalid-message', message, { cause: first?.error })
}

/** The good ones of the bundles; what is wrong with the others is added to `problems`. */
export function parseBundles(
  bundles: ReadonlyMap<string, Buffer>,
  problems: Problem[],
): readonly X509Bundle[] {
  const good: X509Bundle[] = []
  for (const [name, der] of bundles) {
    try {
      good.push(X509Bundle.fromDer(parseName(name), der))
    } catch (cause) {
      const message = `the bundle of ${quote(name)} is refused`
      problems.push({ part: 'bundle', error: refusal('invalid-bundle', message, cause) })
    }
  }
  return good
}

/**
 * Workload API §5.2, §6.2: bundles are keyed by the SPIFFE ID of their trust domain.
 * @throws {@link WorkloadApiError} `invalid-bundle`
 * @throws {@link SpiffeError} `invalid-trust-domain`
 */
export function parseName(name: string): TrustDomain {
  const trustDomain = TrustDomain.parse(name)
  if (trustDomain.id.toString() === name) return trustDomain
  throw new WorkloadApiError('invalid-bundle', 'its name is not the SPIFFE ID of a trust domain')
}
