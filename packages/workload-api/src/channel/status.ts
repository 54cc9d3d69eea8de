import { status } from '@grpc/grpc-js'

import { WorkloadApiError, toWorkloadApiError } from '../errors.ts'
import type { WorkloadApiErrorCode } from '../errors.ts'

/** What is known about a failed call. */
export interface FailedCall {
  readonly endpoint: string
  readonly error: unknown
  /** Whether the channel still had a connection afterwards. */
  readonly connected: boolean
  /** Whether to leave out what the endpoint said. Default: no. */
  readonly hidesDetails?: boolean
}

type Meaning = readonly [code: WorkloadApiErrorCode, text: string, cure?: string]

// SPIFFE_Workload_Endpoint §6: what a status means to a workload.
const MEANINGS: ReadonlyMap<number, Meaning> = new Map<number, Meaning>([
  [status.INVALID_ARGUMENT, ['invalid-request', 'the Workload API calls the request invalid']],
  [
    status.PERMISSION_DENIED,
    [
      'no-identity',
      'no registration entry matches this workload',
      'create one whose selectors match this process and whose parent is its agent',
    ],
  ],
  [
    status.UNIMPLEMENTED,
    [
      'unimplemented',
      'there is a gRPC server, but it does not offer this part of the Workload API',
      'give the address of the agent, not of another server',
    ],
  ],
  [status.RESOURCE_EXHAUSTED, ['limit-exceeded', 'the Workload API goes over the limits']],
  [status.UNAVAILABLE, ['unavailable', 'the Workload API cannot answer now']],
])

/** gRPC reports a failed connection with the status that an endpoint uses for "not now". */
const NO_CONNECTION: Meaning = [
  'unreachable',
  'no Workload API can be reached',
  'see that the agent runs, and that this process can open its socket',
]

/** The error of this package for a failed call: `internal` when it failed without a status. */
export function fromStatus({
  endpoint,
  error,
  connected,
  hidesDetails = false,
}: FailedCall): WorkloadApiError {
  if (!isStatus(error)) return toWorkloadApiError(error)
  const { code, details } = error
  const other: Meaning = ['unavailable', `the Workload API failed (${status[code] ?? code})`]
  const meaning = MEANINGS.get(code) ?? other
  const lost = !connected && meaning[0] === 'unavailable'
  const [ours, text, cure] = lost ? NO_CONNECTION : meaning
  const advice = cure === undefined ? '' : `; ${cure}`
  if (hidesDetails) return new WorkloadApiError(ours, `${text} at ${endpoint}${advice}`)
  const message = `${text} at ${endpoint}: ${details.slice(0, 300)}${advice}`
  return new WorkloadApiError(ours, message, { cause: error })
}

function isStatus(error: unknown): error is { code: number; details: string } {
  if (typeof error !== 'object' || error === null) return false
  const { code, details }: { code?: unknown; details?: unknown } = error
  return typeof code === 'number' && typeof details === 'string'
}
