import { access, constants, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { runBuildTool } from './build-tool.ts'
import { cachedBuild } from './cached-build.ts'

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
  const { folder, name, sources } = module
  const files = await Promise.all(sources.map((source) => readFile(join(folder, source))))
  return await cachedBuild({
    name,
    inputs: [...files, await goVersion(module)],
    say: say(module),
    build: (output) => build(module, output),
  })
}

/** Whether the folder holds all the programs. */
export async function holdsPrograms(folder: string, names: Iterable<string>): Promise<boolean> {
  const checks = [...names].map((name) => access(join(folder, name), constants.X_OK))
  return (await Promise.allSettled(checks)).every(({ status }) => status === 'fulfilled')
}

/** The version that the module selects, which a newer `go` command may have to fetch first. */
async function goVersion({ folder, name, alternative = '' }: GoModule): Promise<string> {
  try {
    return (await runBuildTool('go', ['env', 'GOVERSION'], { cwd: folder })).trim()
  } catch (cause) {
    const help = `install Go 1.26.6 or later${alternative}`
    throw new Error(`${name}: neither a binary nor a usable Go was found: ${help}`, { cause })
  }
}

async function build(module: GoModule, output: string): Promise<void> {
  for (const [program, package_] of module.programs) {
    say(module)(`building ${program} (${module.patience})`)
    const args = ['build', '-trimpath', '-ldflags', '-s -w', '-o', join(output, program), package_]
    await runBuildTool('go', args, { cwd: module.folder })
  }
  say(module)('built')
}

function say({ name }: GoModule): (line: string) => void {
  return (line) => void process.stderr.write(`${name}: ${line}\n`)
}
