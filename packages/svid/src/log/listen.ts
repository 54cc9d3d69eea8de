import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import type {
  HandshakeFailedEvent,
  PeerRejectedEvent,
  SvidAppliedEvent,
  SvidRefusedEvent,
  SvidWithdrawnEvent,
} from '@fastify-spiffe/tls'

/** What a source says of an SVID or a bundle that it does not use. */
export interface MaterialRejection {
  /** The address of the Workload API. */
  readonly endpoint: string
  readonly code: string
  readonly message: string
}

/** What stands in the way of a source. */
export interface SourceProblemNotice {
  /** The address of the Workload API. */
  readonly endpoint: string
  readonly code: string
}

interface Events {
  readonly 'spiffe:source:problem': SourceProblemNotice
  readonly 'spiffe:svid:rejected': MaterialRejection
  readonly 'spiffe:bundle:rejected': MaterialRejection
  readonly 'spiffe:server:svid-applied': SvidAppliedEvent
  readonly 'spiffe:server:svid-refused': SvidRefusedEvent
  readonly 'spiffe:server:svid-withdrawn': SvidWithdrawnEvent
  readonly 'spiffe:server:handshake-failed': HandshakeFailedEvent
  readonly 'spiffe:peer:rejected': PeerRejectedEvent
}

/** Ends what was begun. */
export type End = () => void

/** Subscribes to a diagnostics channel. Channels are those of the whole process. */
export const listen = <Name extends keyof Events>(
  name: Name,
  listener: (event: Events[Name]) => void,
): End => {
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- what the channel is documented to carry
  const subscriber = (event: unknown): void => listener(event as Events[Name])
  subscribe(name, subscriber)
  return () => void unsubscribe(name, subscriber)
}
