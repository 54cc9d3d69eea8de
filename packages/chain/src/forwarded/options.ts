import { SpiffeId, type MatcherInput, type SpiffeIdMatcher } from '@fastify-spiffe/spiffe'
import type { CertificateVerifierOptions } from '@fastify-spiffe/tls'
import { readMatchers } from '../matchers.ts'
import { reader } from '../options.ts'

/** The header in which a proxy forwards the certificate of its client. */
export type ForwardedHeader = 'x-forwarded-client-cert' | 'client-cert'

/** A proxy that ends TLS in front of this service, and what it is believed. */
export interface ForwardingProxy {
  /** The SPIFFE ID of the proxy, which it proves by its own connection. */
  readonly id: SpiffeId | string
  /** The header that it writes, and **strips from what its clients send**. The other one is not read. */
  readonly header: ForwardedHeader
  /** Whose certificates it may forward: SPIFFE IDs, patterns or matchers, each of which names its trust domains. */
  readonly speaksFor: readonly MatcherInput[]
  /** What it writes as `By`. Default: its SPIFFE ID. */
  readonly by?: string
}

/** Options of the plugin `forwarded`. `source` and `proxies` are required. */
export interface ForwardedOptions extends Pick<
  CertificateVerifierOptions,
  'source' | 'revocation' | 'clockSkewMs'
> {
  /** The proxies whose headers count. */
  readonly proxies: readonly ForwardingProxy[]
  /** The time in ms since the epoch. Default `Date.now`. */
  readonly clock?: () => number
}

/** A proxy, read. */
export interface Proxy {
  readonly id: string
  readonly header: ForwardedHeader
  readonly speaksFor: readonly SpiffeIdMatcher[]
  readonly by: string
}

const HEADERS = ['x-forwarded-client-cert', 'client-cert'] as const

/** @throws {@link ChainError} `invalid-option`, `unknown-option` */
export function readProxies(proxies: readonly ForwardingProxy[]): ReadonlyMap<string, Proxy> {
  if (!Array.isArray(proxies) || proxies.length === 0) {
    return reader.refuse('proxies', proxies, 'must be a list, and not empty')
  }
  const byId = new Map<string, Proxy>()
  for (const [position, proxy] of proxies.entries()) {
    const read = readProxy(`proxies[${position}]`, proxy)
    if (byId.has(read.id)) reader.refuse(`proxies[${position}].id`, read.id, 'is listed already')
    byId.set(read.id, read)
  }
  return byId
}

function readProxy(key: string, proxy: ForwardingProxy): Proxy {
  if (typeof proxy !== 'object' || proxy === null)
    return reader.refuse(key, proxy, 'must be an object')
  reader.assertKnown(key, proxy, ['id', 'header', 'speaksFor', 'by'])
  const { id, header, speaksFor, by } = proxy
  const parsed = SpiffeId.safeParse(String(id))
  if (!parsed.ok || parsed.value.path === '') {
    return reader.refuse(`${key}.id`, id, 'must be the SPIFFE ID of one workload')
  }
  const text = parsed.value.toString()
  return {
    id: text,
    header: reader.asOneOf(`${key}.header`, header, HEADERS),
    speaksFor: readSpeaksFor(`${key}.speaksFor`, speaksFor),
    by: reader.read(
      `${key}.by`,
      by,
      text,
      (value) => typeof value === 'string',
      'must be a string',
    ),
  }
}

function readSpeaksFor(key: string, list: readonly MatcherInput[]): readonly SpiffeIdMatcher[] {
  if (!Array.isArray(list) || list.length === 0) {
    return reader.refuse(key, list, 'must be a list, and not empty')
  }
  return readMatchers(key, list)
}
