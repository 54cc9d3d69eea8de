import { type Channel, channel } from 'node:diagnostics_channel'
import type { BusProblem } from './bus-calls.ts'

/**
 * The state of this replica among the others. `spiffe:authz:replicas` carries it, frozen, when it
 * changes.
 */
export interface ReplicasState {
  /**
   * `stale`: the bus has not carried this replica's own messages for too long. The cache is not
   * used.
   */
  readonly state: 'current' | 'stale'
  /** Invalidations that could not be published yet. They are retried. */
  readonly pending: number
  /** What was wrong with the bus when it was last used; `null`: nothing. */
  readonly problem: BusProblem | null
  /** `differs`: another replica has an active policy document that this one cannot adopt. */
  readonly policy: 'agreed' | 'differs'
  /** Messages since the boot that were not signed with the secret for this bus, and were ignored. */
  readonly unverified: number
}

/** Carries the state of this replica among the others, frozen, when its `state` or `policy` changes, or `pending` begins or ends. */
export const replicasChannel: Channel = channel('spiffe:authz:replicas')
