import { assertKnown, refuse } from '../../option-readers.ts'
import type { InvalidationBus, InvalidationListener } from '../bus.ts'
import { checkClient, handleErrors, type RedisClient } from './redis-client.ts'
import { subscribeTo } from './subscription.ts'

/** Options of `redisBus`. */
export interface RedisBusOptions {
  /** Connected by the application, and closed by it. */
  readonly client: RedisClient
  /** What the names of the channel and the key begin with. One for each service. Default `spiffe-authz`. */
  readonly prefix?: string
}

/**
 * An invalidation bus on a channel of Redis or Valkey. Nothing is stored there. It listens on a connection of its own, which
 * it makes from the client and ends by itself. Errors that the client emits do not end the process any more: the bus
 * reports them.
 *
 * @throws {PolicyError} `unknown-option`, `invalid-option`
 */
export function redisBus(options: RedisBusOptions): InvalidationBus {
  assertKnown('redisBus', options, ['client', 'prefix'])
  const { prefix = 'spiffe-authz' } = options
  const client = checkClient('redisBus.client', options.client)
  if (typeof prefix !== 'string' || prefix === '') {
    return refuse('redisBus.prefix', prefix, 'must be a string')
  }
  handleErrors(client)
  return new RedisBus(client, prefix)
}

class RedisBus implements InvalidationBus {
  readonly name: string
  readonly #client: RedisClient
  readonly #probeKey: string

  constructor(client: RedisClient, prefix: string) {
    this.name = `${prefix}:invalidations`
    this.#probeKey = `${prefix}:probe`
    this.#client = client
  }

  /**
   * A server that refuses writes, such as a replica or a primary that has lost its own, is not where the others listen: so
   * a write is tried as well, which changes nothing. The message goes out in any case.
   */
  async publish(message: string): Promise<void> {
    const outcomes = await Promise.allSettled([
      this.#client.publish(this.name, message),
      this.#client.del(this.#probeKey),
    ])
    for (const outcome of outcomes) if (outcome.status === 'rejected') throw outcome.reason
  }

  subscribe(listener: InvalidationListener): () => void {
    return subscribeTo(this.#client, this.name, listener)
  }
}
