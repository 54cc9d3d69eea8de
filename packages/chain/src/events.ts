import { channel, type Channel } from 'node:diagnostics_channel'
import type { Peer } from '@fastify-spiffe/plugin-kit'
import type { ChainRefusalCode, ForwardedRefusalCode } from './refusal.ts'

/** `spiffe:chain:refused`: a caller presented a chain that is not valid, and its call was refused. */
export interface ChainRefusedEvent {
  readonly code: ChainRefusalCode
  /** Who presented it; `null` for a caller without an identity. */
  readonly peer: Peer | null
}

const chainRefused: Channel = channel('spiffe:chain:refused')

/** Publishes on `spiffe:chain:refused`, if anybody listens. */
export function publishRefusal(code: ChainRefusalCode, peer: Peer | null): void {
  if (!chainRefused.hasSubscribers) return
  chainRefused.publish(Object.freeze<ChainRefusedEvent>({ code, peer }))
}

/** `spiffe:forwarded:refused`: a listed proxy forwarded a client that is not valid, and its call was refused. */
export interface ForwardedRefusedEvent {
  readonly code: ForwardedRefusalCode
  /** The proxy. */
  readonly peer: Peer | null
}

export const forwardedRefused: Channel = channel('spiffe:forwarded:refused')
