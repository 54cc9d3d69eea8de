import { hash } from 'node:crypto'
import { decodeBase64 } from '@fastify-spiffe/spiffe/internal'

/** What a body has to be. */
export interface ContentDigest {
  readonly algorithm: 'sha256' | 'sha512'
  readonly digest: Buffer
}

const VALUE = /^sha-(256|512)=:([A-Za-z0-9+/]+={0,2}):$/

/** Reads `Content-Digest` (RFC 9530 §2) of one member, SHA-256 or SHA-512, in its one spelling; `null` for any other. */
export function readContentDigest(value: string): ContentDigest | null {
  const [, bits, base64 = ''] = VALUE.exec(value) ?? []
  const digest = decodeBase64(base64)
  if (digest === null || digest.length * 8 !== Number(bits)) return null
  return { algorithm: bits === '256' ? 'sha256' : 'sha512', digest }
}

/**
 * Returns the value of `Content-Digest` (RFC 9530) for a body, by SHA-256: for the header, and for the request to which a relay's
 * headers are bound.
 */
export function contentDigest(body: string | Uint8Array): string {
  return `sha-256=:${hash('sha256', body, 'base64')}:`
}
