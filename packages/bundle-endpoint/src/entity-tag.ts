import { createHash } from 'node:crypto'

/** A strong entity tag (RFC 9110 §8.8.3): equal for equal octets alone. */
export function entityTagOf(body: Uint8Array): string {
  return `"${createHash('sha256').update(body).digest('base64url')}"`
}

/**
 * Whether `If-None-Match` names the current representation (RFC 9110 §13.1.2), by the weak comparison that it
 * prescribes. The tags of this package hold no comma, so that a list can be split at commas.
 */
export function matchesEntityTag(ifNoneMatch: string | undefined, entityTag: string): boolean {
  if (ifNoneMatch === undefined) return false
  if (ifNoneMatch.trim() === '*') return true
  return ifNoneMatch.split(',').some((candidate) => {
    const tag = candidate.trim()
    return (tag.startsWith('W/') ? tag.slice(2) : tag) === entityTag
  })
}
