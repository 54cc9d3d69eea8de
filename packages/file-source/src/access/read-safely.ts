import { constants } from 'node:fs'
import { open, type FileHandle } from 'node:fs/promises'
import { describeCause } from '@fastify-spiffe/spiffe/internal'
import { FileSourceError } from '../errors.ts'
import { assertPrivate, assertUnchangeable } from './inspect.ts'
import { locate, type KnownFolders } from './locate.ts'
import type { AccessRules } from './rules.ts'

/** Windows has neither of the last two. A pipe without a writer would be waited for without `O_NONBLOCK`. */
const FLAGS = constants.O_RDONLY | (constants.O_NOFOLLOW ?? 0) | (constants.O_NONBLOCK ?? 0)

/** A file to be read. */
export interface WatchedFile {
  /** Absolute. */
  readonly path: string
  /** What it is in messages, with its path if that certainly is one. */
  readonly name: string
  /** Whether there is a private key in it. */
  readonly isKey: boolean
}

/** How files are read. */
export interface ReadRules extends AccessRules {
  readonly maxFileBytes: number
}

/**
 * Reads a file whole, if nobody else can change it, nor read its key.
 * @param known the folders that this pass over the files has found already
 * @throws {@link FileSourceError}
 */
export async function readSafely(
  file: WatchedFile,
  rules: ReadRules,
  known: KnownFolders = new Map(),
): Promise<Buffer> {
  try {
    const handle = await open(await locate(file.path, rules, known), FLAGS)
    try {
      return await readOpened(handle, file, rules)
    } finally {
      await handle.close()
    }
  } catch (cause) {
    if (cause instanceof FileSourceError) throw cause
    throw new FileSourceError('unreadable', `${file.name} cannot be read: ${describeCause(cause)}`)
  }
}

async function readOpened(
  handle: FileHandle,
  { name, isKey }: WatchedFile,
  rules: ReadRules,
): Promise<Buffer> {
  // Of what is open: the path may lead to another file by now.
  const stats = await handle.stat()
  if (!stats.isFile()) throw new FileSourceError('not-a-file', `${name} is not a regular file`)
  assertUnchangeable(name, stats, rules)
  if (isKey) assertPrivate(name, stats, rules)
  if (stats.size > rules.maxFileBytes) throw tooLarge(name, rules)
  const bytes = Buffer.alloc(stats.size + 1)
  const length = await fill(handle, bytes)
  if (length === stats.size) return bytes.subarray(0, length)
  bytes.fill(0)
  throw new FileSourceError('unsettled', `${name} changed its size while it was read`)
}

/** Reads until the buffer is full or the file ends. */
async function fill(handle: FileHandle, bytes: Buffer): Promise<number> {
  let length = 0
  while (length < bytes.length) {
    const { bytesRead } = await handle.read(bytes, length, bytes.length - length, length)
    if (bytesRead === 0) break
    length += bytesRead
  }
  return length
}

function tooLarge(name: string, { maxFileBytes }: ReadRules): FileSourceError {
  return new FileSourceError('too-large', `${name} has more than ${maxFileBytes} bytes`)
}
