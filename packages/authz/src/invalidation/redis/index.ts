export { redisBus } from './redis-bus.ts'
export type { RedisBusOptions, RedisClient } from './redis-bus.ts'
