import { checkKeys, refuse } from '../../options/check.ts'
import type { InvalidationBus, InvalidationListener } from '../bus.ts'
import { ADVANCE, READ } from './scripts.ts'

/** What is needed of a client of the package `redis`, version 5 or later. It speaks to Redis and Valkey alike. */
export interface RedisClient {
  readonly isOpen: boolean
  duplicate(): RedisClient
  connect(): Promise<unknown>
  on(event: 'ready' | 'error', listener: (...details: unknown[]) => void): unknown
  subscribe(channel: string, listener: (message: string) => void): Promise<unknown>
  publish(channel: string, message: string): Promise<unknown>
  sIsMember(key: string, member: string): Promise<unknown>
  eval(script: string, options: { keys: string[]; arguments: string[] }): Promise<unknown>
  destroy(): void
}

export interface RedisBusOptions {
  /** Connected by the application, and closed by it. */
  readonly client: RedisClient
  /** What the names of the key and of the channel begin with. One for each service. Default `spiffe-authz`. */
  readonly prefix?: string
}

/**
 * An invalidation bus on Redis or Valkey: epochs in a sorted set of 10 000 scopes at most, notices on a channel. It has a
 * connection of its own to listen with, which it makes from the client.
 *
 * @throws {AuthzError} `unknown-option`, `invalid-option`
 */
export function redisBus(options: RedisBusOptions): InvalidationBus {
  checkKeys('redisBus.', options, ['client', 'prefix'])
  const { client, prefix = 'spiffe-authz' } = options
  if (typeof client !== 'object' || client === null || typeof client.duplicate !== 'function') {
    return refuse('redisBus.client', client, 'must be a client of the package redis')
  }
  if (typeof prefix !== 'string' || prefix === '') {
    return refuse('redisBus.prefix', prefix, 'must be a text')
  }
  return new RedisBus(client, `${prefix}:epochs`, `${prefix}:notices`)
}

class RedisBus implements InvalidationBus {
  readonly #client: RedisClient
  readonly #key: string
  readonly #channel: string
  #subscriber: RedisClient | undefined

  constructor(client: RedisClient, key: string, channel: string) {
    this.#client = client
    this.#key = key
    this.#channel = channel
  }

  async advance(scope: string, known: number): Promise<number> {
    return Number(await this.#eval(ADVANCE, [String(known), scope]))
  }

  async publish(notice: string): Promise<void> {
    await this.#client.publish(this.#channel, notice)
  }

  async subscribe({ onNotice, onReconnected }: InvalidationListener): Promise<void> {
    await this.close()
    const subscriber = this.#client.duplicate()
    this.#subscriber = subscriber
    // The client reconnects by itself, and without a listener an error would end the process.
    subscriber.on('error', () => undefined)
    await subscriber.connect()
    await subscriber.subscribe(this.#channel, onNotice)
    subscriber.on('ready', onReconnected)
  }

  async read(readUpTo: number, known: number): Promise<ReadonlyMap<string, number>> {
    const reply = await this.#eval(READ, [String(known), String(readUpTo)])
    if (!Array.isArray(reply)) throw new TypeError('Redis answered with no list of epochs')
    const epochs = new Map<string, number>()
    for (let at = 0; at < reply.length; at += 2) {
      epochs.set(String(reply[at]), Number(reply[at + 1]))
    }
    return epochs
  }

  async close(): Promise<void> {
    if (this.#subscriber?.isOpen === true) this.#subscriber.destroy()
  }

  #eval(script: string, args: string[]): Promise<unknown> {
    return this.#client.eval(script, { keys: [this.#key], arguments: args })
  }
}
