import type { BlockList } from 'node:net'
import { describeName } from '@fastify-spiffe/spiffe/internal'
import { refuse } from '../option-readers.ts'
import { parseNetworks } from './addresses.ts'

/** Networks by the names that rules know them by, in the order in which they are tried. */
export type NetworkClasses = readonly (readonly [name: string, networks: BlockList])[]

/**
 * The option `trustedProxies`; `null`: there are none.
 *
 * @throws {PolicyError} `invalid-option`
 */
export function readTrustedProxies(proxies: unknown): BlockList | null {
  return proxies === undefined ? null : readNetworkList('trustedProxies', proxies)
}

/**
 * The option `networks`.
 *
 * @throws {PolicyError} `invalid-option`
 */
export function readNetworks(networks: object): NetworkClasses {
  if (typeof networks !== 'object' || networks === null) {
    return refuse('networks', networks, 'must be an object')
  }
  return Object.entries(networks).map(([name, list]: [string, unknown]) => [
    name,
    readNetworkList(`networks["${describeName(name)}"]`, list),
  ])
}

function readNetworkList(key: string, list: unknown): BlockList {
  const isList = Array.isArray(list) && list.every((network) => typeof network === 'string')
  const networks = isList ? parseNetworks(list) : null
  return networks ?? refuse(key, list, 'must be a list of addresses and networks')
}
