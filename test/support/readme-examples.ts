import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'

/**
 * Takes the examples out of the documents: the READMEs of the root, of `packages/` and of `examples/`,
 * `ARCHITECTURE.md`, and everything under `docs/`.
 *
 * A block fenced as `ts` or `js` that begins with an `import` begins a program; one that does not
 * continues the program before it. `ts no-run: <reason>` is compiled, together with what it continues,
 * and not executed. A fence that names a file, such as `json policy.json`, is that file, in the folder in
 * which the document's programs run; a `ts` file is compiled.
 */
export interface Program {
  /** The compiled module. */
  readonly file: string
  /** The line of the document on which its first block begins. */
  readonly line: number
  /** Why it is not executed; `null` when it is. */
  readonly noRun: string | null
}

export interface Document {
  /** From the root of the repository. */
  readonly path: string
  /** Where its programs run. */
  readonly folder: string
  readonly programs: readonly Program[]
}

interface Block {
  readonly line: number
  readonly language: string
  readonly info: string
  readonly code: string
}

interface Source {
  readonly line: number
  readonly noRun: string | null
  text: string
}

const FENCE = /^```(?<language>\w+)\b(?<info>[^\n]*)\n(?<code>.*?)^```$/gms
const FILE_NAME = /^[\w./-]+\.\w+$/

/** Writes the programs and files of all documents into `directory`, with `change` made to the text of programs. */
export function extractDocuments(
  root: string,
  directory: string,
  change = (text: string): string => text,
): Document[] {
  rmSync(directory, { recursive: true, force: true })
  return documentPaths(root).flatMap((path) => {
    const blocks = blocksOf(readFileSync(join(root, path), 'utf8'))
    const folder = join(directory, folderName(path))
    mkdirSync(folder, { recursive: true })
    for (const { language, info, line, code } of blocks) {
      if (!FILE_NAME.test(info)) continue
      mkdirSync(dirname(join(folder, info)), { recursive: true })
      writeFileSync(
        join(folder, info),
        isCode(language) ? change(atLine(line + 1, '', code)) : code,
      )
    }
    const programs = sourcesOf(path, blocks).map(({ line, noRun, text }) => {
      writeFileSync(join(folder, `line-${line}.ts`), change(text))
      return { file: join(folder, `line-${line}.js`), line, noRun }
    })
    return programs.length === 0 ? [] : [{ path, folder, programs }]
  })
}

/** The documents whose examples are taken, from the root of the repository. */
export function documentPaths(root: string): string[] {
  const markdown = (folder: string, options = {}): string[] =>
    readdirSync(join(root, folder), { withFileTypes: true, ...options })
      .filter((entry) => entry.isFile() && entry.name.endsWith('.md'))
      .map((entry) => relative(root, join(entry.parentPath, entry.name)))
  const readmes = ['packages', 'examples'].flatMap((parent) =>
    readdirSync(join(root, parent), { withFileTypes: true })
      .filter((entry) => entry.isDirectory())
      .flatMap((entry) => markdown(join(parent, entry.name))),
  )
  const docs = markdown('docs', { recursive: true })
  return [...markdown('.'), ...readmes, ...docs].filter(isShown).toSorted()
}

/** A history shows what once was, and the house rules show fences. */
const isShown = (path: string): boolean => !/(?:CHANGELOG|CONTRIBUTING)\.md$/.test(path)

const folderName = (path: string): string =>
  path
    .replace(/\/?README\.md$/, '')
    .replace(/\.md$/, '')
    .replaceAll('/', '-') || 'root'

const isCode = (language: string): boolean => language === 'ts' || language === 'js'

function blocksOf(markdown: string): Block[] {
  return Array.from(markdown.matchAll(FENCE), ({ index, groups }) => ({
    line: markdown.slice(0, index).split('\n').length,
    language: groups!['language']!,
    info: groups!['info']!.trim(),
    code: groups!['code']!,
  }))
}

function sourcesOf(path: string, blocks: readonly Block[]): Source[] {
  const sources: Source[] = []
  let current: Source | undefined
  for (const { line, language, info, code } of blocks) {
    if (!isCode(language) || FILE_NAME.test(info)) continue
    const noRun = reasonOf(info, `${path}:${line}`)
    const continues = current !== undefined && !code.trimStart().startsWith('import')
    const text = atLine(line + 1, continues ? current!.text : '', code)
    if (noRun !== null) sources.push({ line, noRun, text })
    else if (continues) current!.text = text
    else sources.push((current = { line, noRun, text }))
  }
  return sources
}

function reasonOf(info: string, place: string): string | null {
  if (info === '') return null
  const reason = /^no-run: (?<reason>\S.*)$/.exec(info)?.groups?.['reason']
  if (reason === undefined) throw new Error(`${place}: a block that is not run says why`)
  return reason
}

/** Keeps the line numbers of the document, for the compiler's messages and for stack traces. */
const atLine = (line: number, before: string, code: string): string =>
  before + '\n'.repeat(line - before.split('\n').length) + code
