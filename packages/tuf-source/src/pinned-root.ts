import { open } from 'node:fs/promises'
import { describeCause } from '@fastify-spiffe/spiffe/internal'
import { TufError } from './errors.ts'
import { TrustedSet } from './metadata/trusted-set.ts'
import type { PinnedRoot } from './options.ts'
import { sha256 } from './store/state.ts'

const MAX_BYTES = 512_000

/**
 * Reads the root that was given, and checks that it is that one.
 * @throws {@link TufError} `root-unreadable`, `root-mismatch`, `invalid-root`
 */
export async function readPinnedRoot(root: PinnedRoot, now: number): Promise<Buffer> {
  const bytes = await read(root.file)
  if (sha256(bytes) !== root.sha256) {
    throw new TufError('root-mismatch', 'the root is another one than root.sha256 says')
  }
  // An expired one may be the first of a row.
  void new TrustedSet(bytes, now)
  return bytes
}

async function read(path: string): Promise<Buffer> {
  try {
    const file = await open(path, 'r')
    try {
      const { size } = await file.stat()
      if (size > MAX_BYTES) throw new TufError('root-unreadable', 'the root is too large')
      return await file.readFile()
    } finally {
      await file.close()
    }
  } catch (cause) {
    if (cause instanceof TufError) throw cause
    const message = `the root cannot be read (${describeCause(cause)})`
    throw new TufError('root-unreadable', message, { cause })
  }
}
