import { status } from '@grpc/grpc-js'
import { reader } from '../options.ts'

/** The names of gRPC's status codes, but `OK`. */
export type StatusName =
  | 'CANCELLED'
  | 'UNKNOWN'
  | 'INVALID_ARGUMENT'
  | 'DEADLINE_EXCEEDED'
  | 'NOT_FOUND'
  | 'ALREADY_EXISTS'
  | 'PERMISSION_DENIED'
  | 'RESOURCE_EXHAUSTED'
  | 'FAILED_PRECONDITION'
  | 'ABORTED'
  | 'OUT_OF_RANGE'
  | 'UNIMPLEMENTED'
  | 'INTERNAL'
  | 'UNAVAILABLE'
  | 'DATA_LOSS'
  | 'UNAUTHENTICATED'

/** How a call ends. */
export interface CallStatus {
  readonly code: number
  readonly details: string
}

/** @throws {@link AuthorityError} `invalid-option` */
export function callStatus(name: StatusName, details: string = 'as the test demands'): CallStatus {
  const code: number | undefined = status[name]
  if (code !== undefined) return { code, details }
  return reader.refuse('the status', name, 'must be the name of a gRPC status')
}

/** What SPIRE's agent answers to a workload that has no registration entry. */
export const NO_IDENTITY: CallStatus = callStatus('PERMISSION_DENIED', 'no identity issued')

/** What SPIRE's agent answers to a call without the security header. */
export const NO_SECURITY_HEADER: CallStatus = callStatus(
  'INVALID_ARGUMENT',
  'security header missing from request',
)
