import { createReadStream } from 'node:fs'
import { buffer } from 'node:stream/consumers'
import { describeCause } from '@fastify-spiffe/spiffe/internal'
import { PolicyError } from '../errors.ts'
import { describeFile } from './describe-file.ts'

/**
 * Reads a file of bounded size, whatever the file system says of its size.
 *
 * @throws {PolicyError} `invalid-policy`
 */
export async function readBytes(path: string, maxBytes: number): Promise<Buffer> {
  const bytes = await readBytesIfPresent(path, maxBytes)
  if (bytes !== null) return bytes
  throw new PolicyError('invalid-policy', `${describeFile(path)} cannot be read: ENOENT`)
}

/**
 * As {@link readBytes}, but `null` if the file does not exist.
 *
 * @throws {PolicyError} `invalid-policy`
 */
export async function readBytesIfPresent(path: string, maxBytes: number): Promise<Buffer | null> {
  const bytes = await buffer(createReadStream(path, { end: maxBytes })).catch((cause: unknown) => {
    const why = describeCause(cause)
    if (why === 'ENOENT') return null
    throw new PolicyError('invalid-policy', `${describeFile(path)} cannot be read: ${why}`)
  })
  if (bytes === null || bytes.length <= maxBytes) return bytes
  throw new PolicyError('invalid-policy', `${path} has more than ${maxBytes} bytes`)
}

/**
 * Decodes UTF-8, and refuses what is not.
 * @throws TypeError when the bytes are not UTF-8
 */
export function utf8(bytes: Uint8Array): string {
  return new TextDecoder('utf-8', { fatal: true }).decode(bytes)
}
