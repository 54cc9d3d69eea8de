import { type Channel, channel } from 'node:diagnostics_channel'

/** What `spiffe:authz:cache` carries, frozen, when an engine is asked without the cache for a while on behalf of a tenant. */
export interface CacheEvent {
  readonly engine: string
  readonly route: string
  /** The share of the tenant's answers that came from the cache. */
  readonly hitRate: number
}

export const cacheChannel: Channel = channel('spiffe:authz:cache')
