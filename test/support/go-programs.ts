import { execFile, spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { access, constants, mkdir, mkdtemp, readFile, rename, rm } from 'node:fs/promises'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { withLock } from './lock.ts'

/** A Go module of this repository, and what is built from it. */
export interface GoModule {
  /** The folder that holds `go.mod`. */
  readonly folder: string
  /** What the programs are kept under in the user's cache. */
  readonly name: string
  /** The packages to build, by the name of the program. */
  readonly programs: ReadonlyMap<string, string>
  /** The files of the folder that decide what is built: when one changes, all is built again. */
  readonly sources: readonly string[]
  /** What to expect of a build, such as `minutes, once`. */
  readonly patience: string
  /** What else helps where there is no Go; ends the error's message. */
  readonly alternative?: string
}

/**
 * Finds the programs of a Go module in the user's cache, or builds them there, once for all processes of
 * the machine. Returns the folder that holds them, which is named after the sources and the version of Go.
 *
 * @throws Error when the programs are not there, and no usable Go to build them
 */
export async function goPrograms(module: GoModule): Promise<string> {
  const folder = await cacheFolder(module)
  if (!(await holdsPrograms(folder, module.programs.keys()))) {
    await mkdir(join(folder, '..'), { recursive: true })
    await withLock(`${folder}.lock`, say(module), async () => {
      if (!(await holdsPrograms(folder, module.programs.keys()))) await build(module, folder)
    })
  }
  return folder
}

/** Whether the folder holds all the programs. */
export async function holdsPrograms(folder: string, names: Iterable<string>): Promise<boolean> {
  const checks = [...names].map((name) => access(join(folder, name), constants.X_OK))
  return (await Promise.allSettled(checks)).every(({ status }) => status === 'fulfilled')
}

async function cacheFolder(module: GoModule): Promise<string> {
  const { folder, name, sources } = module
  const key = createHash('sha256')
  for (const source of sources) key.update(await readFile(join(folder, source)))
  key.update(await goVersion(module))
  const cache = process.env['XDG_CACHE_HOME'] || join(homedir(), '.cache')
  return join(cache, 'fastify-spiffe', name, key.digest('hex'))
}

/** The version that the module selects, which a newer `go` command may have to fetch first. */
async function goVersion({ folder, name, alternative = '' }: GoModule): Promise<string> {
  try {
    const { stdout } = await promisify(execFile)('go', ['env', 'GOVERSION'], { cwd: folder })
    return stdout.trim()
  } catch (cause) {
    const help = `install Go 1.26.6 or later${alternative}`
    throw new Error(`${name}: neither a binary nor a usable Go was found: ${help}`, { cause })
  }
}

/** Builds beside the target and renames, so that the target is complete or absent. */
async function build(module: GoModule, folder: string): Promise<void> {
  const unfinished = await mkdtemp(`${folder}.building-`)
  try {
    for (const [program, package_] of module.programs) {
      say(module)(`building ${program} (${module.patience}; kept in ${folder})`)
      await goBuild(module.folder, join(unfinished, program), package_)
    }
    await rm(folder, { recursive: true, force: true })
    await rename(unfinished, folder)
    say(module)('built')
  } finally {
    await rm(unfinished, { recursive: true, force: true })
  }
}

function goBuild(folder: string, output: string, package_: string): Promise<void> {
  const args = ['build', '-trimpath', '-ldflags', '-s -w', '-o', output, package_]
  return new Promise((resolve, reject) => {
    // Both of Go's streams go to stderr: stdout stays free for whoever asked for the programs.
    const go = spawn('go', args, { cwd: folder, stdio: ['ignore', 2, 2] })
    go.once('error', reject)
    go.once('close', (code) => {
      if (code === 0) resolve()
      else reject(new Error(`go build ${package_} ended with ${code}`))
    })
  })
}

function say({ name }: GoModule): (line: string) => void {
  return (line) => void process.stderr.write(`${name}: ${line}\n`)
}
