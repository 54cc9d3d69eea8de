import { type Channel, channel } from 'node:diagnostics_channel'
import type { PolicyErrorCode } from '../errors.ts'

/** What `spiffe:authz:engine-policy` carries, frozen, when other policies were to take the place of those of an engine. */
export interface EnginePolicyEvent {
  readonly engine: string
  /** Names the policies in force now. */
  readonly version: string
  /** Why the others were not taken; `null` when they were. */
  readonly code: PolicyErrorCode | null
}

export const enginePolicyChannel: Channel = channel('spiffe:authz:engine-policy')
