import { hash } from 'node:crypto'
import { readEncodedPem } from './pem.ts'
import type { ForwardedRefusalCode } from '../refusal.ts'

/** What a proxy says of its client. Nothing of it is proven. */
export interface ForwardedClient {
  /** Leaf first, as DER. */
  readonly certificates: readonly Buffer[]
  /** The SPIFFE ID that the proxy says it has itself; `null`: it does not say. */
  readonly by: string | null
  /** The SPIFFE ID that it says the client has; `null`: it does not say. */
  readonly uri: string | null
}

const KEYS: ReadonlySet<string> = new Set(['by', 'hash', 'cert', 'chain', 'subject', 'uri', 'dns'])
const PAIR =
  /([A-Za-z]+)=(?:"((?:[\x20-\x21\x23-\x5b\x5d-\x7e]|\\[\x20-\x7e])*)"|([\x21\x23-\x2b\x2d-\x3a\x3c\x3e-\x5b\x5d-\x7e]*))(;|,|$)/y
const DIGEST = /^[0-9a-f]{64}$/

/**
 * Reads `X-Forwarded-Client-Cert` of one element, as Envoy writes it with `SANITIZE_SET`. Text of a client's certificate stands in
 * it unquoted, and can forge pairs and elements: each key may come once, DNS excepted, and a second element is refused.
 */
export function readXfcc(header: string): ForwardedClient | ForwardedRefusalCode {
  const pairs = readPairs(header)
  if (typeof pairs === 'string') return pairs
  const digest = pairs.get('hash')
  if (digest === undefined || !DIGEST.test(digest)) return 'forwarded-malformed'
  const certificates = readCertificates(pairs)
  if (typeof certificates === 'string') return certificates
  if (hash('sha256', certificates[0]!, 'hex') !== digest) return 'forwarded-hash-mismatch'
  return { certificates, by: pairs.get('by') ?? null, uri: pairs.get('uri') ?? null }
}

function readPairs(header: string): ReadonlyMap<string, string> | ForwardedRefusalCode {
  const pairs = new Map<string, string>()
  PAIR.lastIndex = 0
  for (let separator: string | undefined = ';'; separator === ';';) {
    const [, name = '', quoted, token = '', next] = PAIR.exec(header) ?? []
    const key = name.toLowerCase()
    if (next === ',') return 'forwarded-several'
    // Without a match there is no key.
    if (!KEYS.has(key) || (pairs.has(key) && key !== 'dns')) return 'forwarded-malformed'
    pairs.set(key, quoted === undefined ? token : quoted.replaceAll(/\\(.)/g, '$1'))
    separator = next
  }
  return pairs
}

function readCertificates(
  pairs: ReadonlyMap<string, string>,
): readonly Buffer[] | ForwardedRefusalCode {
  const [cert, chain] = ['cert', 'chain'].map((key) => {
    const text = pairs.get(key)
    return text === undefined ? undefined : readEncodedPem(text)
  })
  if (cert === null || chain === null) return 'forwarded-malformed'
  if (cert !== undefined && cert.length !== 1) return 'forwarded-malformed'
  const certificates = chain ?? cert
  if (certificates === undefined) return 'forwarded-no-certificate'
  return cert === undefined || cert[0]!.equals(certificates[0]!)
    ? certificates
    : 'forwarded-chain-mismatch'
}
