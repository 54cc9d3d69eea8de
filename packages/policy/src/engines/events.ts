import { type Channel, channel } from 'node:diagnostics_channel'
import type { BreakerState } from './breaker.ts'

/** What `spiffe:authz:engine` carries, frozen, when the breaker of an engine changes. */
export interface EngineEvent {
  readonly engine: string
  readonly breaker: BreakerState
}

export const engineChannel: Channel = channel('spiffe:authz:engine')
