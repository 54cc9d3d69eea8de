/**
 * Why a request was let in. `stale`: an engine failed, and its last decision was used, as its
 * options permit.
 */
export type AllowReason = 'public' | 'any-authenticated' | 'allowed' | 'stale'

/**
 * Why a request was refused:
 *
 * - `not-found`: no route matches it, and the option `notFound` names no rule;
 * - `no-rule`: its route carries no rule;
 * - `no-identity`: the route wants an identity, and the caller has none;
 * - `denied`: `deny` names the caller;
 * - `not-allowed`: `allow` does not name the caller;
 * - `origin-not-allowed`: `onBehalfOf` does not name the workload that the call is made for, which is the caller where
 *   it acts for itself;
 * - `via-not-allowed`: `via` does not name a workload between the two;
 * - `evidence-not-allowed`: a proxy says on whose behalf the call is made, and the rule demands signatures;
 * - `proof-not-allowed`: the caller is proven by a certificate or a token, and `proof` demands the other;
 * - `san-missing`: the certificate of the caller lacks a name that `subjectAltName` demands, of the kind in `detail`
 *   (`dns`, `ip`, `uri`), or the caller has none whose names are known (`no-certificate`);
 * - `tenant-mismatch`: the request names another tenant than the caller's;
 * - `tenant-quota`: the caller's tenant has too many evaluations under way, or within a second;
 * - `no-tenant`, `no-capture`, `ambiguous-attribute`: an attribute that the condition declared has no single value;
 * - `attribute-refused`: what the caller brought to be read, such as a token, is not valid;
 * - `attribute-failed`, `attribute-timeout`: what brings an attribute threw or rejected, or missed its deadline;
 * - `condition-false`: the check said `false`;
 * - `condition-not-boolean`: the check said something that is not a boolean;
 * - `condition-failed`: the check threw or rejected;
 * - `condition-timeout`: the check missed its deadline;
 * - `engine-denied`: an engine said `false`;
 * - `engine-not-boolean`, `engine-failed`, `engine-timeout`: an engine said something that is not a boolean, threw or
 *   rejected, or missed its deadline;
 * - `engine-unavailable`, `engine-busy`: an engine was not asked, since it failed too often, or had too many questions;
 * - `stale`: an engine failed, and its last decision, a refusal, was used;
 * - `decision-outdated`: decisions were invalidated twice while a check or an engine ran;
 * - `identity-expired`: the caller's SVID, certificate or token, expired while the check ran;
 * - `rule-failed`: a matcher or an attribute threw.
 */
export type DenyReason =
  | 'not-found'
  | 'no-rule'
  | 'no-identity'
  | 'denied'
  | 'not-allowed'
  | 'origin-not-allowed'
  | 'via-not-allowed'
  | 'evidence-not-allowed'
  | 'proof-not-allowed'
  | 'san-missing'
  | 'tenant-mismatch'
  | 'tenant-quota'
  | 'no-tenant'
  | 'no-capture'
  | 'ambiguous-attribute'
  | 'attribute-refused'
  | 'attribute-failed'
  | 'attribute-timeout'
  | 'condition-false'
  | 'condition-not-boolean'
  | 'condition-failed'
  | 'condition-timeout'
  | 'engine-denied'
  | 'engine-not-boolean'
  | 'engine-failed'
  | 'engine-timeout'
  | 'engine-unavailable'
  | 'engine-busy'
  | 'stale'
  | 'decision-outdated'
  | 'identity-expired'
  | 'rule-failed'

/** What became of one request. */
export type Decision = Allowance | Refusal

interface Verdict {
  /** Whether what decided came from the cache. */
  readonly cached: boolean
  /** The engine that decided. */
  readonly engine?: string
}

/** A decision to let a request in. */
export interface Allowance extends Verdict {
  readonly allowed: true
  readonly reason: AllowReason
}

/** A decision to refuse a request. */
export interface Refusal extends Verdict {
  readonly allowed: false
  readonly reason: DenyReason
  /** Which rule was broken, where a provider says so, such as `jwt-expired`; of `san-missing`, the kind of the name. */
  readonly detail?: string
  /** What was thrown, where the reason is a failure. */
  readonly error?: unknown
}

export function allow(reason: AllowReason, cached = false): Allowance {
  return Object.freeze({ allowed: true, reason, cached })
}

export function deny(reason: DenyReason, cached = false): Refusal {
  return Object.freeze({ allowed: false, reason, cached })
}

/** A refusal because a rule threw. */
export function ruleFailure(error: unknown): Refusal {
  return Object.freeze({ ...deny('rule-failed'), error })
}

/** Whether a condition or an engine has said yes or no just now. Nothing else may be remembered. */
export function isAnswer({ reason, cached }: Decision): boolean {
  if (cached) return false
  return reason === 'allowed' || reason === 'condition-false' || reason === 'engine-denied'
}

const ENGINE_FAILURES: ReadonlySet<Decision['reason']> = new Set([
  'engine-not-boolean',
  'engine-failed',
  'engine-timeout',
  'engine-unavailable',
] as const)

/** Whether an engine could not decide. One that has too many questions under way has not failed. */
export function isEngineFailure({ reason }: Decision): boolean {
  return ENGINE_FAILURES.has(reason)
}
