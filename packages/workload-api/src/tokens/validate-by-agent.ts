import type { WaitOptions } from '@fastify-spiffe/spiffe'

import type { Channel } from '../channel/channel.ts'
import { workloadApiMethod } from '../channel/definition.ts'
import { toWorkloadApiError } from '../errors.ts'
import { decodeValidation } from '../messages/decode-jwt.ts'
import { parseValidation } from '../messages/jwt-validation.ts'
import type { AgentJwtVerdict } from '../messages/jwt-validation.ts'
import { reader } from '../options.ts'
import { CallScope } from '../watch/call-scope.ts'

/** Options of `validateJwtSvidByAgent`. */
export interface AgentValidationOptions extends WaitOptions {
  /** This service: the token must have it in its `aud`. One name, as the Workload API has it. */
  readonly audience: string
  /** The longest wait for the answer, in milliseconds; default 30,000. */
  readonly timeoutMs?: number
}

/** More than the header of a request has room for. */
const MAX_TOKEN_BYTES = 65_536

/** Calls `ValidateJWTSVID` once, and gives the agent's word. */
export async function askAgent(
  channel: Channel,
  owner: AbortSignal,
  token: string,
  options: AgentValidationOptions,
): Promise<AgentJwtVerdict> {
  reader.assertKnown('validateJwtSvidByAgent', options, ['audience', 'signal', 'timeoutMs'])
  const { signal, timeoutMs = 30_000 } = options
  const rule = 'must be a string that is not empty'
  const audience = reader.read('audience', options.audience, undefined, isName, rule)
  if (typeof token !== 'string' || token === '' || Buffer.byteLength(token) > MAX_TOKEN_BYTES) {
    return refused('the token is empty or too long: the agent was not asked')
  }
  const scope = new CallScope({ signal, owner, timeoutMs })
  const method = workloadApiMethod('ValidateJWTSVID')
  try {
    const call = { signal: scope.signal, hidesDetails: true }
    const answer = await channel.call(method, { audience, svid: token }, call)
    return parseValidation(decodeValidation(answer, method.responseDeserialize))
  } catch (cause) {
    const error = toWorkloadApiError(cause)
    // Workload API §6.2.3: so the agent answers for a bad token.
    if (error.code === 'invalid-request') return refused('the agent refuses the token')
    throw error
  } finally {
    scope.release()
  }
}

function isName(name: unknown): boolean {
  return typeof name === 'string' && name !== ''
}

function refused(message: string): AgentJwtVerdict {
  return Object.freeze({ acceptedByAgent: false, message })
}
