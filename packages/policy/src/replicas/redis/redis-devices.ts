import { type IoRedisClient, type NodeRedisClient } from './redis-client.ts'

/** Confirms devices by a set in Redis or Valkey, with a client of `redis` or `ioredis`. */
export function redisDevices(
  client: Pick<NodeRedisClient, 'sIsMember'> | Pick<IoRedisClient, 'sismember'>,
  key: string,
): (deviceId: string) => Promise<boolean> {
  const isMember = async (deviceId: string): Promise<unknown> =>
    'sIsMember' in client
      ? await client.sIsMember(key, deviceId)
      : await client.sismember(key, deviceId)
  // Redis 7 answers 1, and with its newer protocol true.
  return async (deviceId) => Number(await isMember(deviceId)) === 1
}
