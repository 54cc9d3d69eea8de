import type { JwtSvid } from '@fastify-spiffe/spiffe'

import type { Channel } from '../channel/channel.ts'
import { workloadApiMethod } from '../channel/definition.ts'
import { decodeJwtSvidResponse } from '../messages/decode-jwt.ts'
import { parseJwtSvids } from '../messages/jwt-svids.ts'
import type { TokenRequest } from '../messages/jwt-svids.ts'
import type { ParsedMessage } from '../messages/parsed-message.ts'

/** Calls `FetchJWTSVID` once. */
export async function fetchJwtSvids(
  channel: Channel,
  request: TokenRequest,
  clock: () => number,
  signal: AbortSignal,
): Promise<ParsedMessage<readonly JwtSvid[]>> {
  const method = workloadApiMethod('FetchJWTSVID')
  const { audience, spiffeId } = request
  const message = { audience, spiffeId: spiffeId?.toString() ?? '' }
  const answer = await channel.call(method, message, { signal })
  return parseJwtSvids(decodeJwtSvidResponse(answer, method.responseDeserialize), request, clock)
}
