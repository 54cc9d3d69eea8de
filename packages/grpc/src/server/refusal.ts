import { status } from '@grpc/grpc-js'
import type { RefusalKind } from '@fastify-spiffe/policy'

/** The status of a refused call. */
export interface RefusalStatus {
  readonly code: status
  /** Always the same: the reason is in the log, and not for the caller. */
  readonly details: string
}

const UNAUTHENTICATED: RefusalStatus = {
  code: status.UNAUTHENTICATED,
  details: 'the caller has no identity that is proven',
}
const FORBIDDEN: RefusalStatus = {
  code: status.PERMISSION_DENIED,
  details: 'the caller may not call this method',
}

/** What a caller learns of a refusal: nothing but its kind. */
export const REFUSALS: Readonly<Record<RefusalKind, RefusalStatus>> = {
  unauthenticated: UNAUTHENTICATED,
  forbidden: FORBIDDEN,
  'tenant-mismatch': FORBIDDEN,
  'not-found': { code: status.UNIMPLEMENTED, details: 'the server has no such method' },
  'too-many-requests': {
    code: status.RESOURCE_EXHAUSTED,
    details: 'the tenant of the caller calls too often',
  },
}
