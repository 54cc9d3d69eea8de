import { MAX_AHEAD_MS } from '../bus.ts'
import { EVERYBODY, MAX_SCOPES } from '../scope.ts'

/*
 * One sorted set has the scopes by their epochs. Redis runs a script as one command, by its own clock, so that two replicas
 * that invalidate at the same time get two epochs.
 *
 * KEYS[1]: the sorted set. ARGV[1]: the greatest epoch that the caller knows.
 */

/**
 * Finds the last epoch. Where the caller knows a greater one, or there is none, epochs were lost: everybody's takes their
 * place. Epochs that are too far ahead were made by nobody, and are lost as well.
 */
const FIND_LAST = `
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local known = tonumber(ARGV[1])
local last = tonumber(redis.call('ZREVRANGE', KEYS[1], 0, 0, 'WITHSCORES')[2]) or 0
if last > now + ${MAX_AHEAD_MS} then
  redis.call('DEL', KEYS[1])
  last = 0
end
if last == 0 or last < known then
  last = math.max(now, known + 1)
  redis.call('ZADD', KEYS[1], last, '${EVERYBODY}')
end
`

/** ARGV[2]: the scope. Replies with its new epoch. Where there are too many scopes, everybody's epoch stands for the oldest. */
export const ADVANCE: string = `${FIND_LAST}
local epoch = math.max(now, last + 1)
redis.call('ZADD', KEYS[1], epoch, ARGV[2])
if redis.call('ZCARD', KEYS[1]) > ${MAX_SCOPES} then
  local everybody = tonumber(redis.call('ZSCORE', KEYS[1], '${EVERYBODY}')) or 0
  redis.call('ZREM', KEYS[1], '${EVERYBODY}')
  local excess = redis.call('ZCARD', KEYS[1]) - ${MAX_SCOPES} + 1
  local folded = tonumber(redis.call('ZRANGE', KEYS[1], excess - 1, excess - 1, 'WITHSCORES')[2])
  redis.call('ZREMRANGEBYRANK', KEYS[1], 0, excess - 1)
  redis.call('ZADD', KEYS[1], math.max(everybody, folded), '${EVERYBODY}')
end
return epoch
`

/** ARGV[2]: what was read last. Replies with the scopes and the epochs, by turns, that are greater. */
export const READ: string = `${FIND_LAST}
return redis.call('ZRANGEBYSCORE', KEYS[1], '(' .. ARGV[2], '+inf', 'WITHSCORES')
`
