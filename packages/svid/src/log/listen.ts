import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import type { PeerRejectedEvent } from '@fastify-spiffe/tls'

/** What the events of a source and those of a server have in common. */
export interface MaterialRefusal {
  /** The Workload API's address, in the events of a source. */
  readonly endpoint?: string
  readonly code: string
  readonly message: string
}

interface Events {
  readonly 'spiffe:svid:updated': unknown
  readonly 'spiffe:svid:rejected': MaterialRefusal
  readonly 'spiffe:bundle:rejected': MaterialRefusal
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
