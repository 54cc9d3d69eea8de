import type { ConfirmDevice } from '../../device/device-list.ts'
import type { RedisClient } from './redis-bus.ts'

/** Confirms devices by a set in Redis or Valkey. */
export function redisDevices(client: Pick<RedisClient, 'sIsMember'>, key: string): ConfirmDevice {
  // Redis 7 answers 1, and with its newer protocol true.
  return async (deviceId) => Number(await client.sIsMember(key, deviceId)) === 1
}
