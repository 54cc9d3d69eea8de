/**
 * Decodes base64url without padding. One content has one text: `null` for white space, padding, another alphabet, and
 * bits that belong to no octet (RFC 7515 §2, RFC 4648 §3.5).
 */
export function decodeBase64Url(text: string): Buffer | null {
  const bytes = Buffer.from(text, 'base64url')
  return bytes.toString('base64url') === text ? bytes : null
}

/** Decodes base64 with padding, as {@link decodeBase64Url} does. */
export function decodeBase64(text: string): Buffer | null {
  const bytes = Buffer.from(text, 'base64')
  return bytes.toString('base64') === text ? bytes : null
}
