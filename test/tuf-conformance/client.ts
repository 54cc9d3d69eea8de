import { mkdir, readdir, readFile, rename, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { inspect, parseArgs } from 'node:util'
import { setUnreferencedTimer } from '@fastify-spiffe/spiffe/internal'
import {
  downloadTarget,
  encodeRole,
  Fetcher,
  findTarget,
  folderUrl,
  isTarget,
  refreshMetadata,
  type MetadataFiles,
} from '@fastify-spiffe/tuf-source/internal'

/**
 * The client of `tuf-source` with the command line of the public conformance suite of TUF clients. It adds nothing to the
 * client but files with the names that the suite looks for.
 */
const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    'metadata-dir': { type: 'string' },
    'metadata-url': { type: 'string' },
    'target-name': { type: 'string' },
    'target-dir': { type: 'string' },
    'target-base-url': { type: 'string' },
  },
})

/** Larger than any target of a test. */
const MAX_TARGET_BYTES = 64 * 1024 * 1024

function given(name: keyof typeof values): string {
  const value = values[name]
  if (value === undefined) throw new Error(`--${name} is missing`)
  return value
}

async function run(): Promise<void> {
  const [command, root] = positionals
  if (command === 'init' && root !== undefined) return init(root)
  if (command === 'refresh') return withFiles(refresh)
  if (command === 'download') return withFiles(download)
  throw new Error('init, refresh or download')
}

async function init(root: string): Promise<void> {
  await mkdir(given('metadata-dir'), { recursive: true })
  await replace(join(given('metadata-dir'), 'root.json'), await readFile(root))
}

async function refresh(files: MetadataFiles, fetcher: Fetcher): Promise<void> {
  const url = folderUrl(given('metadata-url'))
  await refreshMetadata({ files, url, fetch: fetcher.fetch, now: Date.now() })
}

async function download(files: MetadataFiles, { fetch }: Fetcher): Promise<void> {
  const url = folderUrl(given('metadata-url'))
  const set = await refreshMetadata({ files, url, fetch, now: Date.now() })
  const target = await findTarget(set, given('target-name'), { files, url, fetch })
  if (target === null) throw new Error('there is no such target')
  const file = join(given('target-dir'), encodeURIComponent(target.path))
  const held = await readFile(file).catch(() => null)
  if (held !== null && isTarget(target, held)) return
  const bytes = await downloadTarget(target, {
    url: folderUrl(given('target-base-url')),
    fetch,
    maxBytes: MAX_TARGET_BYTES,
    isConsistentSnapshot: set.isConsistentSnapshot,
  })
  await replace(file, bytes)
}

/** Reads what is trusted, and writes what is trusted then, also when the task fails half-way. */
async function withFiles(
  task: (files: MetadataFiles, fetcher: Fetcher) => Promise<void>,
): Promise<void> {
  const directory = given('metadata-dir')
  const before: MetadataFiles = new Map()
  for (const name of await readdir(directory)) {
    if (!name.endsWith('.json')) continue
    const role = decodeURIComponent(name.slice(0, -'.json'.length))
    before.set(role, await readFile(join(directory, name)))
  }
  const files: MetadataFiles = new Map(before)
  const settings = { ca: undefined, lookup: undefined, timeoutMs: 30_000 }
  const fetcher = new Fetcher(
    { ...settings, setTimer: setUnreferencedTimer },
    new AbortController().signal,
  )
  try {
    await task(files, fetcher)
  } finally {
    fetcher[Symbol.dispose]()
    for (const [role, bytes] of files) {
      if (before.get(role) === bytes) continue
      await replace(join(directory, `${encodeRole(role)}.json`), bytes)
    }
  }
}

async function replace(file: string, bytes: Uint8Array): Promise<void> {
  const temporary = `${file}.${process.pid}.tmp`
  await writeFile(temporary, bytes)
  await rename(temporary, file)
}

try {
  await run()
} catch (error) {
  process.stderr.write(`${inspect(error)}\n`)
  process.exitCode = 1
}
