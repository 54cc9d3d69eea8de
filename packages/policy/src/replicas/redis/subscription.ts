import type { InvalidationListener } from '../bus.ts'
import {
  type IoRedisClient,
  isIoRedis,
  type NodeRedisClient,
  type RedisClient,
} from './redis-client.ts'

/**
 * Subscribes to a channel on a connection of its own, made from the client, which reconnects as the client does. Returns
 * the function that ends it.
 */
export function subscribeTo(
  client: RedisClient,
  channel: string,
  listener: InvalidationListener,
): () => void {
  if (isIoRedis(client)) return subscribeWithIoRedis(client, channel, listener)
  return subscribeWithNodeRedis(client, channel, listener)
}

function subscribeWithNodeRedis(
  client: NodeRedisClient,
  channel: string,
  { onMessage, onSubscribed, onError }: InvalidationListener,
): () => void {
  const subscriber = client.duplicate()
  let isEnded = false
  const end = (): void => {
    isEnded = true
    if (subscriber.isOpen) endNodeRedis(subscriber)
  }
  subscriber.on('error', onError)
  const begin = async (): Promise<void> => {
    await subscriber.connect()
    await subscriber.subscribe(channel, onMessage)
    // It subscribes again by itself before it says that it is ready.
    subscriber.on('ready', () => onSubscribed())
    onSubscribed()
  }
  begin().then(
    () => isEnded && end(),
    (error: unknown) => onError(error),
  )
  return end
}

/** Version 4 calls it otherwise. */
function endNodeRedis(client: object): void {
  const method: unknown = Reflect.get(client, 'destroy') ?? Reflect.get(client, 'disconnect')
  if (typeof method !== 'function') return
  const ended: unknown = Reflect.apply(method, client, [])
  if (ended instanceof Promise) ended.catch(() => undefined)
}

function subscribeWithIoRedis(
  client: IoRedisClient,
  channel: string,
  { onMessage, onSubscribed, onError }: InvalidationListener,
): () => void {
  const subscriber = duplicateIoRedis(client)
  subscriber.on('error', onError)
  subscriber.on('message', (_, message) => onMessage(message))
  subscriber.on('ready', () => {
    subscriber.subscribe(channel).then(() => onSubscribed(), onError)
  })
  subscriber.connect().catch(onError)
  return () => subscriber.disconnect()
}

/** Only the caller connects it, and subscribes each time that it is connected. */
function duplicateIoRedis(client: IoRedisClient): IoRedisClient {
  const options = { lazyConnect: true, autoResubscribe: false }
  const isCluster = Reflect.get(client, 'isCluster') === true
  // A cluster uses other nodes first; none of them represents it.
  return isCluster ? client.duplicate([], options) : client.duplicate(options)
}
