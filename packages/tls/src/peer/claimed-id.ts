import type { X509Certificate } from 'node:crypto'
import { Certificate } from '@fastify-spiffe/spiffe'

const MAX_LENGTH = 256

/**
 * Returns the SPIFFE ID that an unverified certificate claims, for operators to read: printable ASCII,
 * everything else escaped, and at most 256 characters. `null` when it claims none.
 */
export function claimedSpiffeId(leaf: X509Certificate | undefined): string | null {
  const uri = leaf === undefined ? undefined : uriOf(leaf)
  if (uri === undefined) return null
  const escaped = uri.slice(0, MAX_LENGTH).replaceAll(/[^\x21-\x7e]|["'\\<>]/g, escape)
  const isCut = uri.length > MAX_LENGTH || escaped.length > MAX_LENGTH
  return isCut ? `${escaped.slice(0, MAX_LENGTH)}…` : escaped
}

function uriOf(leaf: X509Certificate): string | undefined {
  try {
    const { uris } = Certificate.fromDer(leaf.raw)
    return uris.find((uri) => uri.startsWith('spiffe:')) ?? uris[0]
  } catch {
    // A certificate that cannot be read claims nothing.
    return undefined
  }
}

function escape(character: string): string {
  return `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`
}
