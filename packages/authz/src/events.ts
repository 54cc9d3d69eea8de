import { type Channel, channel } from 'node:diagnostics_channel'
import type { Decision } from './decide/decision.ts'
import type { BreakerState } from './engine/breaker.ts'
import type { AuthzErrorCode } from './errors.ts'

/** What `spiffe:authz:decision` carries, frozen, once for each request that the gate decides. */
export interface DecisionEvent {
  readonly decision: 'allow' | 'deny'
  readonly reason: Decision['reason']
  /** Which rule was broken, where a provider of attributes says so, such as `jwt-expired`. */
  readonly detail?: string
  /** Whether what decided came from the cache. */
  readonly cached: boolean
  /** The engine that decided; `null` for a rule or a condition. */
  readonly engine: string | null
  readonly method: string
  /** `shadow`: the request was let in whatever the decision. */
  readonly mode: 'enforce' | 'shadow'
  /** The version of the policy document in force. */
  readonly policyVersion: string
  /** The URL pattern of the route; `null` for a request that matches none. */
  readonly route: string | null
  /** The caller, for logs and never for the labels of metrics; `null` for one without identity. */
  readonly spiffeId: string | null
}

/** Subscribers run within the request: they must be quick and must not throw. */
export const decisionChannel: Channel = channel('spiffe:authz:decision')

/** What `spiffe:authz:policy` carries, frozen, when a policy document was to take the place of the one in force. */
export interface PolicyEvent {
  /** The version in force now. */
  readonly version: string
  /** Why the other one was not taken; `null` when it was. */
  readonly code: AuthzErrorCode | null
}

export const policyChannel: Channel = channel('spiffe:authz:policy')

/** What `spiffe:authz:candidate` carries, frozen, when the candidate document says otherwise than the one in force. */
export interface CandidateEvent {
  readonly verdict: 'would-allow' | 'would-deny'
  /** Why the candidate says so. */
  readonly reason: Decision['reason']
  /** The version of the candidate. */
  readonly policyVersion: string
  readonly method: string
  readonly route: string | null
  readonly spiffeId: string | null
}

export const candidateChannel: Channel = channel('spiffe:authz:candidate')

/** What `spiffe:authz:engine` carries, frozen, when the breaker of an engine changes. */
export interface EngineEvent {
  readonly engine: string
  readonly breaker: BreakerState
}

export const engineChannel: Channel = channel('spiffe:authz:engine')

/** What `spiffe:authz:cache` carries, frozen, when an engine is asked without the cache for a while on behalf of a tenant. */
export interface CacheEvent {
  readonly engine: string
  readonly route: string
  /** The share of the tenant's answers that came from the cache. */
  readonly hitShare: number
}

export const cacheChannel: Channel = channel('spiffe:authz:cache')

/** Carries the state of this replica among the others, frozen, when its `state` or `policy` changes, or `pending` begins or ends. */
export const replicasChannel: Channel = channel('spiffe:authz:replicas')
