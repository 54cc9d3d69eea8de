import { BundleSet, JwtBundle } from '@fastify-spiffe/spiffe'

import { WorkloadApiError, quote, refusal } from '../errors.ts'
import { parseName } from './bundles.ts'
import type { RawJwtBundlesResponse } from './decode.ts'
import { LIMITS, checkLimit } from './limits.ts'
import type { ParsedMessage, Problem } from './parsed-message.ts'

/**
 * Turns a message of `FetchJWTBundles` into a set of bundles, or refuses it whole. A bad bundle is left out, so that
 * the tokens of its trust domain are not accepted, and is reported. An empty one is good: it withdraws all authorities.
 * @throws {@link WorkloadApiError} `invalid-message`, `limit-exceeded`
 */
export function parseJwtBundles(
  message: RawJwtBundlesResponse,
): ParsedMessage<BundleSet<JwtBundle>> {
  // Workload API §6.2.3: bundles is mandatory.
  if (message.bundles.size === 0) {
    throw new WorkloadApiError('invalid-message', 'a message has no bundle')
  }
  checkLimit('bundles', message.bundles.size, LIMITS.bundles)
  for (const jwks of message.bundles.values()) {
    checkLimit('bytes of a bundle', jwks.length, LIMITS.bundleBytes)
  }
  const problems: Problem[] = []
  const bundles: JwtBundle[] = []
  for (const [name, jwks] of message.bundles) {
    try {
      bundles.push(JwtBundle.fromJwks(parseName(name), jwks))
    } catch (cause) {
      const reason = `the JWT bundle of ${quote(name)} is refused`
      problems.push({ part: 'bundle', error: refusal('invalid-bundle', reason, cause) })
    }
  }
  if (bundles.length === 0) {
    throw new WorkloadApiError('invalid-message', 'no bundle of a message is good', {
      cause: problems[0]?.error,
    })
  }
  return { value: BundleSet.of(...bundles), problems }
}
