import { decodeBase64 } from '@fastify-spiffe/spiffe/internal'
import { refuse, type ChainRefusal } from '../refusal.ts'
import { isOneElement } from './der.ts'
import { MAX_CERTIFICATE_OCTETS, MAX_CERTIFICATES, MAX_CHAIN_OCTETS, MAX_DEPTH } from './limits.ts'
import { readToken, thumbprintOf, type HopToken } from './token.ts'

/** The names of the two headers, or of the two keys of gRPC metadata. */
export const CHAIN_HEADER = 'svid-chain'
/** As {@link CHAIN_HEADER}, for the certificates. */
export const CERTIFICATES_HEADER = 'svid-chain-certs'

/** The values of the two fields of a call: one for each field line, in their order, and not joined. */
export interface ChainFields {
  /** Of `Svid-Chain`. */
  readonly chain: readonly string[]
  /** Of `Svid-Chain-Certs`. */
  readonly certificates: readonly string[]
}

/** The two fields, of one line each. */
export interface SingleFields {
  readonly chain: string
  readonly certificates: string
}

/** What the two fields hold. Nothing of it is proven. */
export interface ReadChain {
  readonly ok: true
  /** Origin first, and at least one. */
  readonly tokens: readonly HopToken[]
  /** DER by thumbprint, in the order of the field. */
  readonly certificates: ReadonlyMap<string, Buffer>
}

const CHAIN = /^[\w-]+\.[\w-]+\.[\w-]*(?:,[\w-]+\.[\w-]+\.[\w-]*)*$/
// RFC 9440 §2.3, with one space after each comma and nothing else.
const CERTIFICATES = /^:[A-Za-z0-9+/]+={0,2}:(?:, :[A-Za-z0-9+/]+={0,2}:)*$/

/** Both fields with one line each, or why not; `null` where a call has neither. */
export function singleFields(fields: ChainFields): SingleFields | ChainRefusal | null {
  const [chain, ...otherChains] = fields.chain
  const [certificates, ...otherCertificates] = fields.certificates
  if (otherChains.length > 0 || otherCertificates.length > 0) return refuse('chain-duplicate')
  if (chain === undefined && certificates === undefined) return null
  if (chain === undefined || certificates === undefined) return refuse('chain-incomplete')
  return { chain, certificates }
}

/** Reads both fields, cheap before dear: sizes, grammar, and the content of each token. */
export function readFields({ chain, certificates }: SingleFields): ReadChain | ChainRefusal {
  if (isTooLarge(chain, certificates)) return refuse('chain-too-large')
  if (!CHAIN.test(chain) || !CERTIFICATES.test(certificates)) return refuse('chain-malformed')
  const texts = chain.split(',')
  if (texts.length > MAX_DEPTH) return refuse('chain-too-deep')
  const tokens: HopToken[] = []
  for (const text of texts) {
    const token = readToken(text)
    if (token === null) return refuse('chain-malformed')
    tokens.push(token)
  }
  const byThumbprint = readCertificates(certificates)
  return byThumbprint === null
    ? refuse('chain-malformed')
    : { ok: true, tokens, certificates: byThumbprint }
}

function isTooLarge(chain: string, certificates: string): boolean {
  if (chain.length > MAX_CHAIN_OCTETS || certificates.length > MAX_CERTIFICATE_OCTETS) return true
  return certificates.split(',', MAX_CERTIFICATES + 1).length > MAX_CERTIFICATES
}

function readCertificates(field: string): ReadonlyMap<string, Buffer> | null {
  const byThumbprint = new Map<string, Buffer>()
  for (const item of field.split(', ')) {
    const der = decodeBase64(item.slice(1, -1))
    if (der === null || !isOneElement(der)) return null
    byThumbprint.set(thumbprintOf(der), der)
  }
  return byThumbprint
}

/** Writes `Svid-Chain-Certs`. */
export function writeCertificates(certificates: Iterable<Uint8Array>): string {
  return Array.from(certificates, (der) => `:${Buffer.from(der).toString('base64')}:`).join(', ')
}
