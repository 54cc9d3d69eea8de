import { createHash, timingSafeEqual } from 'node:crypto'
import { FileSourceError } from '../errors.ts'

/** The SHA-256 that files must have, in hexadecimal, by their absolute paths. Several: any of them. */
export type Checksums = ReadonlyMap<string, readonly string[]>

/** @throws {@link FileSourceError} `checksum-mismatch` */
export function assertChecksum(
  { path, name }: { readonly path: string; readonly name: string },
  content: Uint8Array,
  checksums: Checksums,
): void {
  const expected = checksums.get(path)
  if (expected === undefined) return
  const found = sha256(content)
  if (expected.some((each) => timingSafeEqual(Buffer.from(each, 'hex'), found))) return
  throw new FileSourceError('checksum-mismatch', `${name} has another SHA-256 than is expected`)
}

/** The digest of some octets. */
export function sha256(content: Uint8Array): Buffer {
  return createHash('sha256').update(content).digest()
}

/** Whether a text is a SHA-256 in hexadecimal. */
export function isSha256(text: unknown): text is string {
  return typeof text === 'string' && /^[0-9a-fA-F]{64}$/.test(text)
}
