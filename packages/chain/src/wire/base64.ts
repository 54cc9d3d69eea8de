/** Decodes base64url without padding; `null` unless it is exactly what encoding the result gives (RFC 4648 §3.5). */
export function decodeBase64Url(text: string): Buffer | null {
  const bytes = Buffer.from(text, 'base64url')
  return bytes.toString('base64url') === text ? bytes : null
}

/** Decodes base64 with padding; `null` unless it is exactly what encoding the result gives. */
export function decodeBase64(text: string): Buffer | null {
  const bytes = Buffer.from(text, 'base64')
  return bytes.toString('base64') === text ? bytes : null
}
