import { JwtSvid, SpiffeError } from '@fastify-spiffe/spiffe'
import type { SpiffeId } from '@fastify-spiffe/spiffe'

import { WorkloadApiError, quote } from '../errors.ts'
import type { RawJwtSvid } from './decode-jwt.ts'
import { checkHint, withoutRepeatedHints } from './hints.ts'
import { LIMITS, checkLimit } from './limits.ts'
import { checkMandatory } from './mandatory-fields.ts'
import type { ParsedMessage, Problem } from './parsed-message.ts'

/** What the Workload API was asked for. */
export interface TokenRequest {
  /** Sorted, each name once. */
  readonly audience: readonly string[]
  /** All identities of the workload when absent. */
  readonly spiffeId: SpiffeId | undefined
}

/**
 * Turns an answer of `FetchJWTSVID` into SVIDs, or refuses it whole: one over the limits; one without SVIDs or with an
 * empty mandatory field; one whose first SVID, the default identity, is bad. A later bad one is left out.
 * @throws {@link WorkloadApiError} `invalid-message`, `limit-exceeded`, `invalid-svid`
 */
export function parseJwtSvids(
  raw: readonly RawJwtSvid[],
  request: TokenRequest,
  clock: () => number,
): ParsedMessage<readonly JwtSvid[]> {
  checkComplete(raw)
  const problems: Problem[] = []
  const svids: JwtSvid[] = []
  for (const [index, each] of withoutRepeatedHints(raw).entries()) {
    try {
      svids.push(readJwtSvid(each, request, clock))
    } catch (error) {
      if (index === 0 || !(error instanceof WorkloadApiError)) throw error
      problems.push({ part: 'svid', error })
    }
  }
  return { value: Object.freeze(svids), problems }
}

function checkComplete(svids: readonly RawJwtSvid[]): void {
  if (svids.length === 0) throw new WorkloadApiError('invalid-message', 'a message has no JWT-SVID')
  checkLimit('JWT-SVIDs', svids.length, LIMITS.svids)
  for (const [index, svid] of svids.entries()) {
    checkMandatory(`JWT-SVID ${index}`, svid, ['spiffeId', 'svid'])
  }
}

/** The token must say what its entry says, and what was asked for: nothing of it has been proven. */
function readJwtSvid(
  { spiffeId: id, svid: token, hint }: RawJwtSvid,
  { audience, spiffeId }: TokenRequest,
  clock: () => number,
): JwtSvid {
  checkHint(hint)
  const svid = parse(id, () => JwtSvid.parse(token, { audience, hint, clock }))
  if (svid.spiffeId.toString() !== id) {
    throw invalid(`a JWT-SVID for ${quote(id)} names ${svid.spiffeId.toString()} in its claims`)
  }
  if (spiffeId !== undefined && !svid.spiffeId.equals(spiffeId)) {
    throw invalid(`a JWT-SVID is for ${quote(id)}, and ${spiffeId.toString()} was asked for`)
  }
  return svid
}

function parse(id: string, read: () => JwtSvid): JwtSvid {
  try {
    return read()
  } catch (cause) {
    if (!(cause instanceof SpiffeError)) throw cause
    throw invalid(`the JWT-SVID for ${quote(id)} is refused: ${cause.message}`, cause)
  }
}

function invalid(message: string, cause?: unknown): WorkloadApiError {
  return new WorkloadApiError('invalid-svid', message, { cause })
}
