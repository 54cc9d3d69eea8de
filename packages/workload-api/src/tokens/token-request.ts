import { SpiffeError, SpiffeId } from '@fastify-spiffe/spiffe'
import type { JwtSvid, JwtSvidRequest } from '@fastify-spiffe/spiffe'
import { readAudience } from '@fastify-spiffe/spiffe/internal'

import { WorkloadApiError } from '../errors.ts'
import type { TokenRequest } from '../messages/jwt-svids.ts'
import { reader } from '../options.ts'

const NAMES = ['audience', 'spiffeId', 'hint', 'signal', 'timeoutMs']

/** @throws {@link WorkloadApiError} `unknown-option`, `invalid-option` */
export function readTokenRequest(request: JwtSvidRequest): TokenRequest {
  reader.assertKnown('a fetch', request, NAMES)
  const { audience, spiffeId, hint } = request
  if (hint !== undefined && typeof hint !== 'string') {
    reader.refuse('hint', hint, 'must be a string')
  }
  const names = new Set(readAudience(reader, audience))
  return {
    audience: [...names].toSorted(),
    spiffeId: readSpiffeId(spiffeId),
  }
}

/** The SVID with the hint; without one the first, which is the default identity (Workload API §8). */
export function chooseByHint(svids: readonly JwtSvid[], hint: string | undefined): JwtSvid {
  const found = hint === undefined ? svids[0] : svids.find((svid) => svid.hint === hint)
  if (found !== undefined) return found
  throw new WorkloadApiError('no-match', 'no JWT-SVID of this workload has the hint')
}

/** @throws {@link WorkloadApiError} `invalid-option` */
export function readSpiffeId(given: SpiffeId | string | undefined): SpiffeId | undefined {
  if (given === undefined || given instanceof SpiffeId) return given
  try {
    return SpiffeId.parse(given)
  } catch (cause) {
    if (!(cause instanceof SpiffeError)) throw cause
    throw new WorkloadApiError('invalid-option', `spiffeId: ${cause.message}`, { cause })
  }
}
