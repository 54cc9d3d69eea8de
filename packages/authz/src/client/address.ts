import { BlockList, isIP } from 'node:net'
import type { FastifyRequest } from 'fastify'

/** The headers of proxies are lists: longer ones than this are nobody's. */
const MAX_HOPS = 32

/**
 * Finds the address of a request's client: that of its socket, or, where that is a trusted proxy's, the last one in
 * `X-Forwarded-For` that is not. What stands before that was written by nobody who is trusted. `undefined`: there is none
 * to be trusted.
 */
export function clientAddress(
  trusted: BlockList | null,
): (request: FastifyRequest) => string | undefined {
  return (request) => {
    const own = normalized(request.raw.socket.remoteAddress)
    if (own === undefined || trusted === null || !isWithin(trusted, own)) return own
    const forwarded = request.headers['x-forwarded-for']
    if (typeof forwarded !== 'string') return own
    const hops = forwarded.split(',', MAX_HOPS + 1).map((hop) => normalized(hop.trim()))
    if (hops.length > MAX_HOPS) return undefined
    for (const hop of hops.toReversed()) {
      if (hop === undefined || !isWithin(trusted, hop)) return hop
    }
    return hops[0]
  }
}

/** Whether a list of networks has an address. */
export function isWithin(networks: BlockList, address: string): boolean {
  return networks.check(address, isIP(address) === 6 ? 'ipv6' : 'ipv4')
}

/**
 * A list of addresses and networks (`10.0.0.0/8`, `fd00::/8`); `null` when one of them is neither.
 */
export function parseNetworks(networks: readonly string[]): BlockList | null {
  const list = new BlockList()
  for (const network of networks) if (!addNetwork(list, network)) return null
  return list
}

function addNetwork(list: BlockList, network: string): boolean {
  const [, address = '', bits] = /^([^/]+)(?:\/(\d{1,3}))?$/.exec(network) ?? []
  const family = isIP(address)
  if (family === 0) return false
  const longest = family === 6 ? 128 : 32
  const prefix = bits === undefined ? longest : Number(bits)
  if (prefix > longest) return false
  list.addSubnet(address, prefix, family === 6 ? 'ipv6' : 'ipv4')
  return true
}

/** `::ffff:10.0.0.1` is `10.0.0.1`. `undefined` for what is no address. */
function normalized(address: string | undefined): string | undefined {
  const plain = address?.replace(/^::ffff:(?=\d+\.)/i, '')
  return plain !== undefined && isIP(plain) !== 0 ? plain : undefined
}
