import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
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
  /** The heading of the document that its first block stands under. */
  readonly heading: string
  /** The line of the document on which its first block begins. */
  readonly line: number
  /** Why it is not executed; `null` when it is. */
  readonly noRun: string | null
}

export interface Document {
  /** From the root of the repository. */
  readonly path: string
  readonly programs: readonly Program[]
}

interface Block {
  readonly line: number
  readonly heading: string
  readonly language: string
  readonly info: string
  readonly code: string
}

interface Source {
  readonly line: number
  readonly heading: string
  readonly noRun: string | null
  text: string
}

const FENCE = /^```(?<language>\w+)\b(?<info>[^\n]*)\n(?<code>.*?)^```$/gms
const FILE_NAME = /^[\w./-]+\.\w+$/

export interface ExtractOptions {
  /** Where TypeScript goes. */
  readonly sources: string
  /** Where the compiler puts JavaScript, and where other files go. */
  readonly output: string
  /** A change that is made to the text of all programs. */
  readonly change?: (text: string) => string
}

/** Writes the programs and files of all documents. */
export function extractDocuments(
  root: string,
  { sources, output, change = (text) => text }: ExtractOptions,
): Document[] {
  return documentPaths(root).flatMap((path) => {
    const blocks = blocksOf(readFileSync(join(root, path), 'utf8'))
    const name = folderName(path)
    for (const { language, info, line, code } of blocks) {
      if (!FILE_NAME.test(info)) continue
      if (isCode(language)) write(join(sources, name, info), change(atLine(line + 1, '', code)))
      else write(join(output, name, info), code)
    }
    const programs = programsOf(path, blocks).map(({ text, line, heading, noRun }) => {
      write(join(sources, name, `line-${line}.ts`), change(text))
      return { file: join(output, name, `line-${line}.js`), line, heading, noRun }
    })
    return programs.length === 0 ? [] : [{ path, programs }]
  })
}

function write(file: string, text: string): void {
  mkdirSync(dirname(file), { recursive: true })
  writeFileSync(file, text)
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
  return [...markdown('.'), ...markdown('examples'), ...readmes, ...docs].filter(isShown).toSorted()
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
    heading:
      /^#+ (?<text>.*)$/m.exec(markdown.slice(markdown.lastIndexOf('\n#', index) + 1, index))
        ?.groups?.['text'] ?? '',
    language: groups!['language']!,
    info: groups!['info']!.trim(),
    code: groups!['code']!,
  }))
}

function programsOf(path: string, blocks: readonly Block[]): Source[] {
  const sources: Source[] = []
  let current: Source | undefined
  for (const { line, heading, language, info, code } of blocks) {
    if (!isCode(language) || FILE_NAME.test(info)) continue
    const noRun = reasonOf(info, `${path}:${line}`)
    const continues = current !== undefined && !code.trimStart().startsWith('import')
    const text = atLine(line + 1, continues ? current!.text : '', code)
    if (noRun !== null) sources.push({ line, heading, noRun, text })
    else if (continues) current!.text = text
    else sources.push((current = { line, heading, noRun, text }))
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
