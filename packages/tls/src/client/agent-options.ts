import type { AgentOptions } from 'node:https'
import { reader } from '../options.ts'
import { connectorOptionNames, type ConnectorOptions } from './connect-options.ts'
import type { OutgoingTokens } from './bearer-tokens.ts'
import type { ChainHeadersFor } from './request-headers.ts'

type PoolOptions = Pick<
  AgentOptions,
  | 'keepAlive'
  | 'keepAliveMsecs'
  | 'maxFreeSockets'
  | 'maxSockets'
  | 'maxTotalSockets'
  | 'scheduling'
  | 'timeout'
>

/** Options of `SvidAgent`: those of `connect` that are the same for all connections, and the pool options of Node's agent. */
export interface SvidAgentOptions extends ConnectorOptions, PoolOptions {
  /**
   * Makes the headers that say on whose behalf a request is sent: `chainHeaders` of `@fastify-spiffe/chain`. Needs one SPIFFE
   * ID as `server`. A request whose headers cannot be made is not sent: `https.request` throws. Default: none.
   */
  readonly chainHeaders?: ChainHeadersFor
  /**
   * Presents a JWT-SVID to the origins that it names. Node writes the headers when a request is made: `tokens` must be a function that returns
   * the token at once. A request without a token is not sent: `https.request` throws. Default: none.
   */
  readonly jwt?: OutgoingTokens
}

/** The names of all options of `SvidAgent`. */
export const agentOptionNames: ReadonlySet<string> = new Set([
  ...connectorOptionNames,
  'keepAlive',
  'keepAliveMsecs',
  'maxFreeSockets',
  'maxSockets',
  'maxTotalSockets',
  'scheduling',
  'timeout',
  'chainHeaders',
  'jwt',
] satisfies (keyof SvidAgentOptions)[])

const NUMERIC_OPTIONS = [
  'keepAliveMsecs',
  'maxFreeSockets',
  'maxSockets',
  'maxTotalSockets',
  'timeout',
] as const

/**
 * Checks the pool options and returns them. Node's own errors would quote their values.
 * @throws {@link TlsError} `invalid-option`
 */
export function checkedPool<T extends AgentOptions>(pool: T): T {
  for (const name of NUMERIC_OPTIONS) {
    const value: unknown = pool[name]
    if (value === undefined || (typeof value === 'number' && value >= 0)) continue
    reader.refuse(name, value, 'must be a number, at least 0')
  }
  const { keepAlive, scheduling } = pool
  if (keepAlive !== undefined) reader.asOneOf('keepAlive', keepAlive, [true, false])
  if (scheduling !== undefined) reader.asOneOf('scheduling', scheduling, ['fifo', 'lifo'])
  return pool
}
