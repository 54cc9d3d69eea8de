export { redisDevices } from './redis-devices.ts'
export { redisBus } from './redis-bus.ts'
export type { RedisBusOptions } from './redis-bus.ts'
export type { IoRedisClient, NodeRedisClient, RedisClient } from './redis-client.ts'
