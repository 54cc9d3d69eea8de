import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { runBuildTool } from '../../support/build-tool.ts'
import { cachedBuild } from '../../support/cached-build.ts'

const MAX_COMPLAINT_CHARS = 120

/** Why a peer is not here. */
export class LeftOut extends Error {}

export type Command = readonly [file: string, ...args: string[]]

/** How one peer is built. Commands run in the folder of its sources. */
export interface Build {
  /** The folder below `test/interop`. */
  readonly name: string
  /** Prints the version of the compiler or interpreter, which decides over the outcome as the sources do. */
  readonly version: Command
  /** Gets what the package manager has to get. When it cannot, the peer is left out. */
  readonly fetch: (output: string) => Command
  /** Builds with what was fetched. When that fails, the peer is broken. */
  readonly compile?: (output: string) => Command
}

/** The folder of a peer's sources. */
export function sourcesOf(name: string): string {
  return fileURLToPath(new URL(`../../../interop/${name}/`, import.meta.url))
}

/**
 * The folder with the built peer, from the user's cache where the same sources were built before.
 * @throws LeftOut when its packages cannot be had
 */
export async function build({ name, version, fetch, compile }: Build): Promise<string> {
  const cwd = sourcesOf(name)
  const run = ([file, ...args]: Command): Promise<string> => runBuildTool(file, args, { cwd })
  return await cachedBuild({
    name: `interop/${name}`,
    inputs: [await run(version), ...(await sources(cwd))],
    say: (line) => say(name, line),
    build: async (output) => {
      say(name, 'building (once)')
      await run(fetch(output)).catch((cause: unknown) => {
        throw new LeftOut(`its packages could not be had: ${complaint(cause)}`, { cause })
      })
      if (compile !== undefined) await run(compile(output))
    },
  })
}

/** The version of a peer's package, as its pin file has it in the first group of `pattern`. */
export async function pinned(name: string, file: string, pattern: RegExp): Promise<string> {
  const [, version] = pattern.exec(await readFile(join(sourcesOf(name), file), 'utf8')) ?? []
  if (version === undefined) throw new Error(`${name}/${file} has no ${pattern.source}`)
  return version
}

/** The names and contents of all files but the descriptions in TypeScript. */
async function sources(folder: string): Promise<(string | Uint8Array)[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true })
  const files = entries.filter((entry) => entry.isFile() && !entry.name.endsWith('.ts'))
  const paths = files.map(({ parentPath, name }) => join(parentPath, name)).toSorted()
  const contents = paths.map(async (path) => [
    path.slice(folder.length),
    new Uint8Array(await readFile(path)),
  ])
  return (await Promise.all(contents)).flat()
}

function complaint(error: unknown): string {
  const lines = error instanceof Error ? error.message.trim().split('\n').slice(1) : []
  return (lines.find((line) => /error[:\]]/i.test(line)) ?? lines.at(-1) ?? String(error))
    .trim()
    .slice(0, MAX_COMPLAINT_CHARS)
}

function say(name: string, line: string): void {
  process.stderr.write(`${name}: ${line}\n`)
}
