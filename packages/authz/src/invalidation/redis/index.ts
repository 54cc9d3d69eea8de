export { redisDevices } from './redis-devices.ts'
export { redisBus } from './redis-bus.ts'
export type { RedisBusOptions, RedisClient } from './redis-bus.ts'
