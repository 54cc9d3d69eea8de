import { type Channel, channel, subscribe, unsubscribe } from 'node:diagnostics_channel'
import type {
  HandshakeFailedEvent,
  PeerRejectedEvent,
  SvidAppliedEvent,
  SvidRefusedEvent,
  SvidWithdrawnEvent,
} from '@fastify-spiffe/tls'

/** `spiffe:svid:rejected`, `spiffe:bundle:rejected`: a source does not use an SVID or a bundle that it got. */
export interface MaterialRejectedEvent {
  /** The address of the Workload API. */
  readonly endpoint: string
  readonly code: string
  readonly message: string
}

/** `spiffe:source:problem`: why a source is not ready. */
export interface SourceProblemEvent {
  /** The address of the Workload API. */
  readonly endpoint: string
  readonly code: string
}

interface Events {
  readonly 'spiffe:source:problem': SourceProblemEvent
  readonly 'spiffe:svid:rejected': MaterialRejectedEvent
  readonly 'spiffe:bundle:rejected': MaterialRejectedEvent
  readonly 'spiffe:server:svid-applied': SvidAppliedEvent
  readonly 'spiffe:server:svid-refused': SvidRefusedEvent
  readonly 'spiffe:server:svid-withdrawn': SvidWithdrawnEvent
  readonly 'spiffe:server:handshake-failed': HandshakeFailedEvent
  readonly 'spiffe:peer:rejected': PeerRejectedEvent
}

/** On Node 20, a channel that is collected can take a later one of its name along, with its subscribers. */
const held = new Map<string, Channel>()

/** Ends a subscription. */
export type Unsubscribe = () => void

/** Subscribes to a diagnostics channel, which carries the events of the whole process. */
export function subscribeTo<Name extends keyof Events>(
  name: Name,
  listener: (event: Events[Name]) => void,
): Unsubscribe {
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the documented type of the channel
  const subscriber = (event: unknown): void => listener(event as Events[Name])
  held.set(name, channel(name))
  subscribe(name, subscriber)
  return () => void unsubscribe(name, subscriber)
}
