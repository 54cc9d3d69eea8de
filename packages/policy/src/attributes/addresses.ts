import { BlockList, isIP } from 'node:net'

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
  const [, text = '', bits] = /^([^/]+)(?:\/(0|[1-9]\d{0,2}))?$/.exec(network) ?? []
  const address = canonicalAddress(text)
  if (address === undefined) return false
  const longest = bitsOf(text)
  const given = bits === undefined ? longest : Number(bits)
  // A network that is written as one of mapped addresses is that of the addresses themselves.
  const prefix = given - (longest - bitsOf(address))
  if (given > longest || prefix < 0) return false
  list.addSubnet(address, prefix, bitsOf(address) === 128 ? 'ipv6' : 'ipv4')
  return true
}

function bitsOf(address: string): number {
  return isIP(address) === 6 ? 128 : 32
}

/** RFC 4291 §2.5.5.2, as `URL` writes it. */
const MAPPED = /^::ffff:([\da-f]{1,4}):([\da-f]{1,4})$/

/**
 * The one text of an address (RFC 5952), without an interface. An IPv4 address that is mapped into
 * IPv6 is itself: `::FFFF:A00:1` is `10.0.0.1`. `undefined` for a value that is not an address.
 */
export function canonicalAddress(address: string | undefined): string | undefined {
  if (address === undefined || address.includes('%')) return undefined
  const family = isIP(address)
  if (family !== 6) return family === 4 ? address : undefined
  const { hostname } = new URL(`http://[${address}]`)
  const canonical = hostname.slice(1, -1)
  const [, high, low] = MAPPED.exec(canonical) ?? []
  return high === undefined || low === undefined ? canonical : dotted(high, low)
}

function dotted(...words: readonly string[]): string {
  const octets = words.flatMap((word) => {
    const number = Number.parseInt(word, 16)
    return [number >> 8, number & 0xff]
  })
  return octets.join('.')
}
