import type { Caller } from '../call.ts'
import type { Decision, Refusal } from './decision.ts'

/**
 * What a refusal is to the caller. A transport has a status for each: HTTP 401, 403, 403 or 404, 404 and 429, for example.
 *
 * - `unauthenticated`: a proof of identity is missing, or does not do any more;
 * - `forbidden`: the caller may not call;
 * - `tenant-mismatch`: the call is about data of another tenant;
 * - `not-found`: there is no such route;
 * - `too-many-requests`: the caller's tenant has used up its quota.
 */
export type RefusalKind =
  | 'unauthenticated'
  | 'forbidden'
  | 'tenant-mismatch'
  | 'not-found'
  | 'too-many-requests'

const UNAUTHENTICATED: ReadonlySet<Refusal['reason']> = new Set([
  'identity-expired',
  'attribute-refused',
] as const)

/** Of which kind a refusal is. */
export function refusalKindOf({ reason }: Refusal, caller: Caller | null): RefusalKind {
  if (reason === 'not-found' || reason === 'tenant-mismatch') return reason
  if (reason === 'tenant-quota') return 'too-many-requests'
  return caller === null || UNAUTHENTICATED.has(reason) ? 'unauthenticated' : 'forbidden'
}

const FAULTS: ReadonlySet<Decision['reason']> = new Set([
  'no-rule',
  'attribute-failed',
  'attribute-timeout',
  'condition-not-boolean',
  'condition-failed',
  'condition-timeout',
  'engine-not-boolean',
  'engine-failed',
  'engine-timeout',
  'engine-unavailable',
  'engine-busy',
  'decision-outdated',
  'rule-failed',
] as const)

/** Whether a refusal points to a fault of the service rather than of the caller. */
export function isFault({ reason }: Refusal): boolean {
  return FAULTS.has(reason)
}
