import { type Channel, channel } from 'node:diagnostics_channel'
import type { EngineRequest } from '@fastify-spiffe/policy'
import type { CedarError } from './policies.ts'

/** What `spiffe:authz:cedar-error` carries, frozen, for each error that refused a request. Messages may hold what the request has. */
export interface CedarErrorEvent extends CedarError {
  readonly engine: string
  readonly method: string
  readonly route: string
}

/** Subscribers run within the request: they must be quick and must not throw. */
export const cedarErrorChannel: Channel = channel('spiffe:authz:cedar-error')

export function publishError(
  engine: string,
  { method, route }: EngineRequest,
  error: CedarError,
): void {
  if (!cedarErrorChannel.hasSubscribers) return
  cedarErrorChannel.publish(Object.freeze<CedarErrorEvent>({ ...error, engine, method, route }))
}
