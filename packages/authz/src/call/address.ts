import type { BlockList } from 'node:net'
import { canonicalAddress, isWithin } from '@fastify-spiffe/policy/internal'
import type { FastifyRequest } from 'fastify'

/** The headers of proxies are lists; a longer one is not believed. */
const MAX_HOPS = 32

/**
 * Finds the address of a request's client: that of its socket, or, if that is a trusted proxy's,
 * the last one in `X-Forwarded-For` that is not. What is before that was not written by a trusted
 * proxy. `undefined`: there is no address that can be trusted.
 */
export function clientAddress(
  trusted: BlockList | null,
): (request: FastifyRequest) => string | undefined {
  return (request) => {
    // An address of the link itself comes with its interface, which no list names.
    const own = canonicalAddress(request.raw.socket.remoteAddress?.replace(/%.*$/s, ''))
    if (own === undefined || trusted === null || !isWithin(trusted, own)) return own
    const forwarded = request.headers['x-forwarded-for']
    if (typeof forwarded !== 'string') return own
    const hops = forwarded.split(',', MAX_HOPS + 1).map((hop) => canonicalAddress(hop.trim()))
    if (hops.length > MAX_HOPS) return undefined
    for (const hop of hops.toReversed()) {
      if (hop === undefined || !isWithin(trusted, hop)) return hop
    }
    return hops[0]
  }
}
