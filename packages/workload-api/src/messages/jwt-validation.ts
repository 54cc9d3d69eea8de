import { SpiffeId } from '@fastify-spiffe/spiffe'

import { WorkloadApiError } from '../errors.ts'
import type { RawValidation } from './decode-jwt.ts'
import { LIMITS, checkLimit } from './limits.ts'

/**
 * What the agent says of a token of somebody else. Nothing was verified in this process: it is the word of the agent,
 * and holds for the moment at which it was given.
 */
export type AgentJwtVerdict =
  | {
      readonly acceptedByAgent: true
      readonly spiffeId: SpiffeId
      /** As the agent gives them: it may leave out some, and all numbers have been doubles. Frozen. */
      readonly claims: Readonly<Record<string, unknown>>
    }
  | {
      readonly acceptedByAgent: false
      /** For logs, not for the caller. It quotes nothing of the token. */
      readonly message: string
    }

const MAX_DEPTH = 32

/** @throws {@link WorkloadApiError} `invalid-message`, `limit-exceeded` */
export function parseValidation({ spiffeId: id, claims }: RawValidation): AgentJwtVerdict {
  // Workload API §6.2.3: both are mandatory.
  if (id === '' || claims === null) throw invalid('a message lacks spiffe_id or claims')
  const spiffeId = SpiffeId.safeParse(id)
  if (!spiffeId.ok) throw invalid('the spiffe_id of a message is not a SPIFFE ID')
  const read = readStruct(claims, 1)
  if (read['sub'] !== undefined && read['sub'] !== id) {
    throw invalid('the spiffe_id of a message is not the sub in its claims')
  }
  return Object.freeze({ acceptedByAgent: true, spiffeId: spiffeId.value, claims: read })
}

/** `google.protobuf.Struct`, in JSON's terms. */
function readStruct(struct: unknown, depth: number): Readonly<Record<string, unknown>> {
  checkLimit('levels of claims', depth, MAX_DEPTH)
  const fields = Object.entries(member(struct, 'fields') ?? {})
  checkLimit('fields of claims', fields.length, LIMITS.fields)
  return Object.freeze(
    Object.fromEntries(fields.map(([name, value]) => [name, readValue(value, depth)])),
  )
}

function readValue(value: unknown, depth: number): unknown {
  for (const kind of ['stringValue', 'numberValue', 'boolValue']) {
    const found = member(value, kind)
    if (found !== undefined) return found
  }
  const struct = member(value, 'structValue')
  if (struct !== undefined) return readStruct(struct, depth + 1)
  const list = member(member(value, 'listValue'), 'values')
  if (!Array.isArray(list)) return null
  checkLimit('levels of claims', depth + 1, MAX_DEPTH)
  return Object.freeze(list.map((each) => readValue(each, depth + 1)))
}

function member(value: unknown, name: string): unknown {
  if (typeof value !== 'object' || value === null) return undefined
  return Object.entries(value).find(([key]) => key === name)?.[1]
}

function invalid(message: string): WorkloadApiError {
  return new WorkloadApiError('invalid-message', message)
}
