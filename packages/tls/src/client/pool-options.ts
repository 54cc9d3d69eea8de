import type { AgentOptions } from 'node:https'
import { describeValue } from '@fastify-spiffe/spiffe/internal'
import { TlsError } from '../errors.ts'
import { assertOneOf } from '../options.ts'

const COUNTS = [
  'keepAliveMsecs',
  'maxFreeSockets',
  'maxSockets',
  'maxTotalSockets',
  'timeout',
] as const

/**
 * The options of Node's agent, as they were given: Node's own errors would quote them.
 * @throws {@link TlsError} `invalid-option`
 */
export const checkedPool = <T extends AgentOptions>(pool: T): T => {
  for (const name of COUNTS) {
    const count: unknown = pool[name]
    if (count === undefined || (typeof count === 'number' && count >= 0)) continue
    const found = describeValue(count)
    throw new TlsError('invalid-option', `${name} must be a number from 0, not ${found}`)
  }
  assertOneOf('keepAlive', pool.keepAlive, [true, false, undefined])
  assertOneOf('scheduling', pool.scheduling, ['fifo', 'lifo', undefined])
  return pool
}
