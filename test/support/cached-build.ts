import { createHash } from 'node:crypto'
import { access, mkdir, mkdtemp, rename, rm } from 'node:fs/promises'
import { homedir } from 'node:os'
import { dirname, join } from 'node:path'
import { withLock } from './lock.ts'

export interface CachedBuildOptions {
  /** Where below the project's cache folder, such as `interop/go-spiffe`. */
  readonly name: string
  /** All that the outcome depends on. */
  readonly inputs: readonly (string | Uint8Array)[]
  /** Fills an empty folder, which becomes the one that is returned. */
  readonly build: (folder: string) => Promise<void>
  /** Where the progress goes. */
  readonly say: (line: string) => void
}

/**
 * The folder of the user's cache (`$XDG_CACHE_HOME` or `~/.cache`) with what `build` made of these inputs. It is built
 * when it is not there, by one process of this machine at a time, and is complete or absent.
 */
export async function cachedBuild({
  name,
  inputs,
  build,
  say,
}: CachedBuildOptions): Promise<string> {
  const hash = createHash('sha256')
  for (const input of inputs) hash.update(input)
  const folder = join(cacheFolder(), name, hash.digest('hex'))
  if (await exists(folder)) return folder
  await mkdir(dirname(folder), { recursive: true })
  await withLock(`${folder}.lock`, say, async () => {
    if (!(await exists(folder))) await buildBeside(folder, build)
  })
  return folder
}

async function buildBeside(folder: string, build: CachedBuildOptions['build']): Promise<void> {
  const unfinished = await mkdtemp(`${folder}.building-`)
  try {
    await build(unfinished)
    await rename(unfinished, folder)
  } finally {
    await rm(unfinished, { recursive: true, force: true })
  }
}

async function exists(path: string): Promise<boolean> {
  return await access(path).then(
    () => true,
    () => false,
  )
}

function cacheFolder(): string {
  const cache = process.env['XDG_CACHE_HOME'] || join(homedir(), '.cache')
  return join(cache, 'fastify-spiffe')
}
