import { execFile, spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { access, constants, mkdir, mkdtemp, readFile, rename, rm } from 'node:fs/promises'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { withLock } from './lock.ts'

const PROGRAMS = ['spire-server', 'spire-agent'] as const
const MODULE = fileURLToPath(new URL('../../spire/module/', import.meta.url))

/** Where the two programs of SPIRE are. */
export interface SpireBinaries {
  readonly folder: string
  readonly server: string
  readonly agent: string
}

/**
 * Finds SPIRE's server and agent, or builds them from the pinned Go module in `test/spire/module`.
 *
 * - `$SPIRE_BIN_DIR` comes first and must hold both programs.
 * - Else a folder of the user's cache, named after the module's checksums and the version of Go.
 * - Else they are built into that folder: 5 to 6 minutes on two cores with cold caches, once.
 *
 * @throws Error when there is neither a binary nor Go to build one
 */
export async function spireBinaries(): Promise<SpireBinaries> {
  const given = process.env['SPIRE_BIN_DIR']
  if (given !== undefined && given !== '') {
    if (await holdsBinaries(given)) return binariesIn(given)
    throw new Error(`SPIRE_BIN_DIR=${given} does not hold ${PROGRAMS.join(' and ')}`)
  }
  const folder = await cacheFolder()
  if (!(await holdsBinaries(folder))) {
    await mkdir(join(folder, '..'), { recursive: true })
    await withLock(`${folder}.lock`, say, async () => {
      if (!(await holdsBinaries(folder))) await build(folder)
    })
  }
  return binariesIn(folder)
}

function binariesIn(folder: string): SpireBinaries {
  return { folder, server: join(folder, 'spire-server'), agent: join(folder, 'spire-agent') }
}

async function holdsBinaries(folder: string): Promise<boolean> {
  const checks = PROGRAMS.map((program) => access(join(folder, program), constants.X_OK))
  return (await Promise.allSettled(checks)).every(({ status }) => status === 'fulfilled')
}

async function cacheFolder(): Promise<string> {
  const key = createHash('sha256')
    .update(await readFile(join(MODULE, 'go.sum')))
    .update(await goVersion())
    .digest('hex')
  const cache = process.env['XDG_CACHE_HOME'] || join(homedir(), '.cache')
  return join(cache, 'fastify-spiffe', 'spire', key)
}

/** The version that the module selects, which a newer `go` command may have to fetch first. */
async function goVersion(): Promise<string> {
  try {
    const { stdout } = await promisify(execFile)('go', ['env', 'GOVERSION'], { cwd: MODULE })
    return stdout.trim()
  } catch (cause) {
    throw new Error(
      'real SPIRE is needed and neither a binary nor a usable Go was found: ' +
        'install Go 1.26.6 or later, or set SPIRE_BIN_DIR to a folder with spire-server and spire-agent',
      { cause },
    )
  }
}

/** Builds beside the target and renames, so that the target is complete or absent. */
async function build(folder: string): Promise<void> {
  const unfinished = await mkdtemp(`${folder}.building-`)
  try {
    for (const program of PROGRAMS) {
      say(`building ${program} (minutes, once; kept in ${folder})`)
      await goBuild(join(unfinished, program), `github.com/spiffe/spire/cmd/${program}`)
    }
    await rm(folder, { recursive: true, force: true })
    await rename(unfinished, folder)
    say('SPIRE is built')
  } finally {
    await rm(unfinished, { recursive: true, force: true })
  }
}

function goBuild(output: string, package_: string): Promise<void> {
  const args = ['build', '-trimpath', '-ldflags', '-s -w', '-o', output, package_]
  return new Promise((resolve, reject) => {
    // Both of Go's streams go to stderr: stdout stays free for whoever asked for the binaries.
    const go = spawn('go', args, { cwd: MODULE, stdio: ['ignore', 2, 2] })
    go.once('error', reject)
    go.once('close', (code) => {
      if (code === 0) resolve()
      else reject(new Error(`go build ${package_} ended with ${code}`))
    })
  })
}

function say(line: string): void {
  process.stderr.write(`spire: ${line}\n`)
}
