import { createReadStream } from 'node:fs'
import { buffer } from 'node:stream/consumers'
import { AuthzError } from '../../errors.ts'

/**
 * Reads a file of bounded size, whatever the file system says of its size.
 *
 * @throws {AuthzError} `invalid-policy`
 */
export async function readBytes(path: string, maxBytes: number): Promise<Buffer> {
  try {
    const bytes = await buffer(createReadStream(path, { end: maxBytes }))
    if (bytes.length <= maxBytes) return bytes
    throw new RangeError(`it has more than ${maxBytes} bytes`)
  } catch (cause) {
    throw new AuthzError('invalid-policy', `${path}: ${String(cause)}`, { cause })
  }
}

/** @throws TypeError when the bytes are not UTF-8 */
export function utf8(bytes: Uint8Array): string {
  return new TextDecoder('utf-8', { fatal: true }).decode(bytes)
}
