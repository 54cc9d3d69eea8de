import { spawnSync } from 'node:child_process'
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join, relative } from 'node:path'

/**
 * Runs what the READMEs show.
 *
 * Every block fenced as `ts` is compiled under `strict`, and executed. A block that begins with an
 * `import` begins a program; one that does not continues the program before it. A block fenced as
 * `ts no-run: <reason>` is compiled, together with what it continues, and not executed.
 */
export interface ReadmeProgram {
  /** The compiled module. */
  readonly file: string
  /** The line of the README on which its first block begins. */
  readonly line: number
  /** Why it is not executed; `null` when it is. */
  readonly noRun: string | null
}

export interface Readme {
  /** From the root of the repository. */
  readonly path: string
  readonly programs: readonly ReadmeProgram[]
}

interface Block {
  readonly line: number
  readonly info: string
  readonly code: string
}

interface Source {
  readonly line: number
  readonly noRun: string | null
  text: string
}

const fence = /^```ts\b(?<info>[^\n]*)\n(?<code>.*?)^```$/gms

/** Writes the programs of all READMEs into `directory`, as TypeScript, with `change` made to their text. */
export const extractReadmes = (
  root: string,
  directory: string,
  change = (text: string): string => text,
): Readme[] => {
  rmSync(directory, { recursive: true, force: true })
  mkdirSync(directory, { recursive: true })
  return readmePaths(root).flatMap((path) => {
    const sources = sourcesOf(path)
    const programs = sources.map(({ line, noRun, text }) => {
      const name = `${relative(root, dirname(path)).replaceAll('/', '-') || 'root'}-${line}`
      writeFileSync(join(directory, `${name}.ts`), change(text))
      return { file: join(directory, `${name}.js`), line, noRun }
    })
    return programs.length === 0 ? [] : [{ path: relative(root, path), programs }]
  })
}

/** Compiles all of them at once. Returns what the compiler has to say: nothing, when all is well. */
export const compileReadmes = (directory: string): string => {
  const options = {
    target: 'es2023',
    module: 'nodenext',
    lib: ['es2023', 'esnext.disposable'],
    types: ['node'],
    strict: true,
    skipLibCheck: true,
    inlineSourceMap: true,
  }
  const project = { compilerOptions: options, include: ['*.ts'] }
  writeFileSync(join(directory, 'package.json'), '{ "type": "module" }')
  writeFileSync(join(directory, 'tsconfig.json'), JSON.stringify(project))
  const manifest = createRequire(import.meta.url).resolve('typescript/package.json')
  const compiler = join(dirname(manifest), 'bin/tsc')
  return spawnSync(process.execPath, [compiler, '-p', directory], { encoding: 'utf8' }).stdout
}

const readmePaths = (root: string): string[] => {
  const folders = ['packages', 'examples'].flatMap((parent) =>
    readdirSync(join(root, parent), { withFileTypes: true })
      .filter((entry) => entry.isDirectory())
      .map((entry) => join(root, parent, entry.name)),
  )
  return [root, ...folders]
    .filter((folder) => readdirSync(folder).includes('README.md'))
    .map((folder) => join(folder, 'README.md'))
}

const blocksOf = (markdown: string): Block[] =>
  Array.from(markdown.matchAll(fence), ({ index, groups }) => ({
    line: markdown.slice(0, index).split('\n').length,
    info: groups!['info']!.trim(),
    code: groups!['code']!,
  }))

const sourcesOf = (path: string): Source[] => {
  const sources: Source[] = []
  let current: Source | undefined
  for (const { line, info, code } of blocksOf(readFileSync(path, 'utf8'))) {
    const noRun = reasonOf(info, `${path}:${line}`)
    const continues = current !== undefined && !code.trimStart().startsWith('import')
    const text = atLine(line + 1, continues ? current!.text : '', code)
    if (noRun !== null) sources.push({ line, noRun, text })
    else if (continues) current!.text = text
    else sources.push((current = { line, noRun, text }))
  }
  return sources
}

const reasonOf = (info: string, place: string): string | null => {
  if (info === '') return null
  const reason = /^no-run: (?<reason>\S.*)$/.exec(info)?.groups?.['reason']
  if (reason === undefined) throw new Error(`${place}: a block that is not run says why`)
  return reason
}

/** Keeps the line numbers of the README, for the compiler's messages and for stack traces. */
const atLine = (line: number, before: string, code: string): string =>
  before + '\n'.repeat(line - before.split('\n').length) + code
