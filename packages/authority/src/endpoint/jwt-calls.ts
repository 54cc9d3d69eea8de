import { SpiffeId } from '@fastify-spiffe/spiffe'
import { verifyJwtSvid, type JwtClaims } from '@fastify-spiffe/spiffe/jwt-svid'
import { AuthorityError } from '../errors.ts'
import type { Workload } from '../workload/workload.ts'
import { withoutRepeatedHints } from './messages.ts'
import type { UnaryMethod, WorkloadApiMessage } from './service.ts'
import { callStatus, NO_IDENTITY, type CallStatus } from './status.ts'

/** `JWTSVIDRequest` and `ValidateJWTSVIDRequest` as they came: a field with its default value is absent. */
export interface JwtRequest {
  readonly audience?: unknown
  readonly spiffe_id?: unknown
  readonly svid?: unknown
}

/** What a call gets. */
export type UnaryAnswer =
  | { readonly status: null; readonly message: WorkloadApiMessage }
  | { readonly status: CallStatus }

/** Answers a call as SPIRE's agent does. */
export async function answer(
  method: UnaryMethod,
  request: JwtRequest,
  workload: Workload,
  clock: () => number,
): Promise<UnaryAnswer> {
  return method === 'FetchJWTSVID'
    ? fetchJwtSvid(request, workload)
    : validateJwtSvid(request, workload, clock)
}

function fetchJwtSvid({ audience, spiffe_id: id }: JwtRequest, workload: Workload): UnaryAnswer {
  const names = Array.isArray(audience) ? audience.map(String).filter((name) => name !== '') : []
  if (names.length === 0) return invalid('audience must be specified')
  const wanted = typeof id === 'string' && id !== '' ? id : undefined
  if (wanted !== undefined && !SpiffeId.safeParse(wanted).ok) {
    return invalid('invalid requested SPIFFE ID')
  }
  const identities = withoutRepeatedHints(workload.state.identities).filter(
    ({ spiffeId }) => wanted === undefined || spiffeId.toString() === wanted,
  )
  if (identities.length === 0) return { status: NO_IDENTITY }
  try {
    const svids = identities.map((identity) => ({
      spiffe_id: identity.spiffeId.toString(),
      svid: workload.signJwtSvid(identity, names),
      hint: identity.hint,
    }))
    return { status: null, message: { svids } }
  } catch (error) {
    if (error instanceof AuthorityError) return invalid(error.message)
    throw error
  }
}

async function validateJwtSvid(
  { audience, svid }: JwtRequest,
  workload: Workload,
  clock: () => number,
): Promise<UnaryAnswer> {
  if (typeof audience !== 'string' || audience === '') return invalid('audience must be specified')
  if (typeof svid !== 'string' || svid === '') return invalid('svid must be specified')
  const options = { audience, clock, maxTokenBytes: 65_536 }
  const verification = await verifyJwtSvid(svid, workload.state.jwtBundles, options)
  if (!verification.ok) return invalid(verification.message)
  const { spiffeId, claims, audience: aud } = verification.svid
  return {
    status: null,
    message: { spiffe_id: spiffeId.toString(), claims: structOf({ ...claims, aud }) },
  }
}

function invalid(details: string): UnaryAnswer {
  return { status: callStatus('INVALID_ARGUMENT', details) }
}

/** Claims as `google.protobuf.Struct`. */
function structOf(claims: JwtClaims): object {
  const fields = Object.entries(claims).map(([name, value]) => [name, valueOf(value)])
  return { fields: Object.fromEntries(fields) }
}

function valueOf(value: unknown): object {
  if (typeof value === 'string') return { stringValue: value }
  if (typeof value === 'number') return { numberValue: value }
  if (typeof value === 'boolean') return { boolValue: value }
  if (Array.isArray(value)) return { listValue: { values: value.map(valueOf) } }
  if (typeof value === 'object' && value !== null) return { structValue: structOf({ ...value }) }
  return { nullValue: 'NULL_VALUE' }
}
