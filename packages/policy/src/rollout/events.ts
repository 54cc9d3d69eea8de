import { type Channel, channel } from 'node:diagnostics_channel'
import type { Decision } from '../decision/decision.ts'
import type { PolicyErrorCode } from '../errors.ts'

/** What `spiffe:authz:policy` carries, frozen, when a policy document was to take the place of the one in force. */
export interface PolicyEvent {
  /** The version in force now. */
  readonly version: string
  /** Why the other one was not taken; `null` when it was. */
  readonly code: PolicyErrorCode | null
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
