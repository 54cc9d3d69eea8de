import { refuse } from '../../option-readers.ts'

interface RedisCommands {
  publish(channel: string, message: string): Promise<unknown>
  del(key: string): Promise<unknown>
  on(event: 'error', listener: (error: unknown) => void): unknown
}

/** What is needed of a client of the package `redis`, version 4 or later, or of a cluster of it. */
export interface NodeRedisClient extends RedisCommands {
  readonly isOpen: boolean
  duplicate(): NodeRedisClient
  connect(): Promise<unknown>
  on(event: 'error' | 'ready', listener: (error?: unknown) => void): unknown
  subscribe(channel: string, listener: (message: string) => void): Promise<unknown>
  sIsMember(key: string, member: string): Promise<unknown>
}

/** What is needed of a client of the package `ioredis`, version 4 or later, as `@fastify/redis` gives it, or of a cluster of it. */
export interface IoRedisClient extends RedisCommands {
  readonly status: string
  /** A cluster takes other arguments than a client. */
  duplicate(...args: unknown[]): IoRedisClient
  connect(): Promise<unknown>
  on(event: 'error' | 'ready', listener: (error?: unknown) => void): unknown
  on(event: 'message', listener: (channel: string, message: string) => void): unknown
  subscribe(channel: string): Promise<unknown>
  sismember(key: string, member: string): Promise<unknown>
  disconnect(): void
}

/** A client of `redis` or `ioredis`. Both speak to Redis and Valkey alike. */
export type RedisClient = NodeRedisClient | IoRedisClient

/** `ioredis` has scripts as commands, and its state as a string. */
export function isIoRedis(client: RedisClient): client is IoRedisClient {
  return hasFunctions(client, ['defineCommand', 'sismember', 'disconnect'])
}

/**
 * Checks that a client is one of those that are supported.
 *
 * @throws {PolicyError} `invalid-option`
 */
export function checkClient(key: string, client: unknown): RedisClient {
  if (isClient(client)) return client
  const hint = client instanceof Promise ? '; this one has to be awaited first' : ''
  const why = `must be a client of the package redis (4 or later, without legacyMode) or ioredis (4 or later)${hint}`
  return refuse(key, client, why)
}

const COMMON = ['duplicate', 'connect', 'publish', 'subscribe', 'del', 'on']

function isClient(client: unknown): client is RedisClient {
  if (typeof client !== 'object' || client === null) return false
  if (!hasFunctions(client, COMMON)) return false
  if ('status' in client && typeof client.status === 'string') {
    return hasFunctions(client, ['defineCommand', 'sismember', 'disconnect'])
  }
  return hasFunctions(client, ['sIsMember']) && 'isOpen' in client && !isLegacy(client)
}

/** Its commands take callbacks, and return no promises. */
function isLegacy(client: object): boolean {
  const options: unknown = 'options' in client ? client.options : undefined
  if (typeof options !== 'object' || options === null) return false
  return 'legacyMode' in options && options.legacyMode === true
}

function hasFunctions(client: object, names: readonly string[]): boolean {
  return names.every((name) => typeof Reflect.get(client, name) === 'function')
}

const handled = new WeakSet<RedisClient>()

/**
 * Keeps errors of a connection from ending the process. They are reported by what is called on it, and it reconnects by
 * itself.
 */
export function handleErrors(client: RedisClient): void {
  if (handled.has(client)) return
  handled.add(client)
  client.on('error', () => undefined)
}
