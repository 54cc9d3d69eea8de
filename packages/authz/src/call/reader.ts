import type { BlockList } from 'node:net'
import type { CallChain, Caller, CallReader, CallValue, RouteName } from '@fastify-spiffe/policy'
import type { FastifyRequest } from 'fastify'
import { clientAddress } from './address.ts'
import { isRepeated } from './header-values.ts'
import { hostOf } from './host.ts'

/** What requests carry by themselves, for rules to read. */
export const ATTRIBUTES: CallReader['attributes'] = new Map([
  ['host', 'single'],
  ['ip', 'single'],
  ['params', 'group'],
  ['headers', 'group'],
  ['query', 'group'],
])

/** Reads requests of Fastify. */
export class RequestReader implements CallReader<FastifyRequest> {
  readonly attributes: CallReader['attributes'] = ATTRIBUTES
  readonly #addressOf: (request: FastifyRequest) => string | undefined

  /** Absent where no plugin brings chains: rules cannot name an origin then. */
  readonly chain?: (request: FastifyRequest) => CallChain | null

  /**
   * @param hasChain - whether requests have `request.chain`
   * @param trustedProxies - whose `X-Forwarded-For` is believed; `null`: none
   */
  constructor(trustedProxies: BlockList | null, hasChain = false) {
    if (hasChain) this.chain = chainOf
    this.#addressOf = clientAddress(trustedProxies)
  }

  /** A caller without a proof, or with that of another connection, has no identity. */
  caller({ peer, spiffeId }: FastifyRequest): Caller | null {
    // `null` by contract. Any other empty value of such a decorator is not an identity either.
    return peer && peer.spiffeId === spiffeId ? peer : null
  }

  method({ method }: FastifyRequest): string {
    return method
  }

  route({ is404, routeOptions }: FastifyRequest): string | null {
    return is404 ? null : (routeOptions.url ?? null)
  }

  remoteAddress({ ip }: FastifyRequest): string {
    return ip
  }

  id({ id }: FastifyRequest): string {
    return id
  }

  attribute(request: FastifyRequest, group: string, name: string): CallValue {
    switch (group) {
      case 'headers':
        return headerOf(request, name)
      case 'params':
        return memberValue(request.params, name)
      case 'query':
        return memberValue(request.query, name)
      case 'host':
        return hostOf(request)
      case 'ip':
        return this.#addressOf(request)
      default:
        return undefined
    }
  }

  problemWith(group: string, name: string, { url, isOfAnyRoute }: RouteName): string | null {
    if (group === 'headers') {
      return name === name.toLowerCase() ? null : 'header names are written in lower case'
    }
    if (group !== 'params' || isOfAnyRoute || paramNames(url).includes(name)) return null
    return 'the route has no such parameter'
  }
}

/** A chain that is not of this caller is none: another plugin may have changed who calls. */
function chainOf({ chain, spiffeId }: FastifyRequest): CallChain | null {
  if (chain === null || chain === undefined || spiffeId === null) return null
  return chain.caller.equals(spiffeId) ? chain : null
}

function headerOf(request: FastifyRequest, name: string): CallValue {
  if (isRepeated(request, name)) return null
  // Whatever else names the host has to name the same.
  const isHost = name === 'host' || name === ':authority'
  return isHost && hostOf(request) === null ? null : memberValue(request.headers, name)
}

/**
 * An own member that is a string; `null` for anything else, such as a repeated query parameter: a
 * number would have the key of its text.
 */
function memberValue(container: unknown, name: string): CallValue {
  if (typeof container !== 'object' || container === null) return undefined
  if (!Object.hasOwn(container, name)) return undefined
  const value: unknown = Reflect.get(container, name)
  return typeof value === 'string' || value === undefined ? value : null
}

/** The parameters in a URL pattern of the router, in which `::` is an escaped colon and `*` a parameter's name. */
function paramNames(url: string): readonly string[] {
  const named = url.replaceAll('::', '').matchAll(/:([^/:(.\-?]+)/g)
  return [...Array.from(named, ([, name = '']) => name), ...(url.includes('*') ? ['*'] : [])]
}
