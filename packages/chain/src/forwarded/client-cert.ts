import { decodeBase64 } from '@fastify-spiffe/spiffe/internal'
import { isOneElement } from '../wire/der.ts'
import type { ForwardedRefusalCode } from '../refusal.ts'
import type { ForwardedClient } from './xfcc.ts'

const MAX_CERTIFICATES = 16
const ITEM = /^:([A-Za-z0-9+/]+={0,2}):$/
const LIST = /^:[A-Za-z0-9+/]+={0,2}:(?:, :[A-Za-z0-9+/]+={0,2}:)*$/

/**
 * Reads `Client-Cert` and `Client-Cert-Chain` (RFC 9440 §2), in the one way in which a serializer of RFC 8941 writes them.
 * @param chain - `undefined` where that header did not come
 */
export function readClientCert(
  leaf: string | undefined,
  chain: string | undefined,
): ForwardedClient | ForwardedRefusalCode {
  const [, first] = ITEM.exec(leaf ?? '') ?? []
  if (first === undefined) return 'forwarded-malformed'
  const texts = [first, ...readList(chain)]
  if (texts.length > MAX_CERTIFICATES) return 'forwarded-too-large'
  const certificates: Buffer[] = []
  for (const text of texts) {
    const der = decodeBase64(text)
    if (der === null || !isOneElement(der)) return 'forwarded-malformed'
    certificates.push(der)
  }
  return { certificates, by: null, uri: null }
}

/** The items, or one that no decoder takes. */
function readList(chain: string | undefined): readonly string[] {
  if (chain === undefined) return []
  return LIST.test(chain) ? chain.split(', ').map((item) => item.slice(1, -1)) : ['']
}
