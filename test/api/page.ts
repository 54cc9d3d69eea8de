import type { Declared } from './declarations.ts'
import { firstSentenceOf, markdownOf } from './docstring.ts'
import { declarationOf, type Addition, type Entry } from './entries.ts'
import type { Export } from './exports.ts'

export const NOTICE = '<!-- Written by `pnpm generate` from the docstrings: change those. -->'

/** The name of the page of an entry point: `tls-test-kit.md` of `@fastify-spiffe/tls/test-kit`. */
export function pageNameOf(specifier: string): string {
  return `${specifier.replace(/^@fastify-spiffe\//, '').replaceAll('/', '-')}.md`
}

/** The pages of all entry points and their contents list, by their names. */
export function pagesOf(entries: readonly Entry[]): ReadonlyMap<string, string> {
  const pages = entries
    .filter((entry) => aliasedBy(entry) === undefined)
    .map((entry): [string, string] => [pageNameOf(entry.specifier), pageOf(entry, entries)])
  return new Map([['README.md', contentsOf(entries)], ...pages])
}

/** The entry point whose exports another one has, all of them and nothing else. */
function aliasedBy({ exports }: Entry): string | undefined {
  const [first, ...others] = new Set(
    exports.map((each) => (each.kind === 'foreign' ? each.origin : undefined)),
  )
  return others.length === 0 ? first : undefined
}

function contentsOf(entries: readonly Entry[]): string {
  return paragraphs([
    NOTICE,
    '# API reference',
    'What each entry point exports, from the docstrings of the sources.',
    tableOf(['import', 'what'], entries.map(contentsRowOf)),
  ])
}

function contentsRowOf(entry: Entry): string[] {
  const { specifier, description, exports } = entry
  const alias = aliasedBy(entry)
  if (alias !== undefined) {
    return [codeOf(specifier), `The same as [${codeOf(alias)}](${pageNameOf(alias)}).`]
  }
  const values = exports.filter(
    (each) => each.kind === 'own' && /^(?:function|class)$/.test(each.declared.kind),
  )
  const isRoot = specifier.split('/').length <= (specifier.startsWith('@') ? 2 : 1)
  return [
    `[${codeOf(specifier)}](${pageNameOf(specifier)})`,
    isRoot ? `${description}.` : values.map(({ name }) => codeOf(name)).join(', '),
  ]
}

function pageOf(
  { specifier, exports, additions, description }: Entry,
  all: readonly Entry[],
): string {
  const own = exports.filter((each) => each.kind === 'own').filter(({ name }) => name !== 'default')
  const linkOf = linksOf(own)
  return paragraphs([
    NOTICE,
    `# ${codeOf(specifier)}`,
    `Package: ${description}. [All entry points](README.md)`,
    tableOf(
      ['export', 'kind', 'what'],
      exports.map((each) => rowOf(each, all, linkOf)),
    ),
    ...additionsTo(additions, linkOf),
    ...own.flatMap(({ name, declared }) => sectionOf(name, declared, linkOf)),
  ])
}

type LinkOf = (name: string) => string

/** Makes links to the headings of a page, whose anchors GitHub writes in lower case, each once. */
function linksOf(exports: readonly Export[]): LinkOf {
  const anchors = new Map<string, string>()
  const used = new Map<string, number>()
  for (const { name } of exports) {
    const lower = name.toLowerCase()
    const copies = used.get(lower) ?? 0
    used.set(lower, copies + 1)
    anchors.set(name, copies === 0 ? lower : `${lower}-${copies}`)
  }
  return (name) => {
    const anchor = anchors.get(name)
    return anchor === undefined ? `\`${name}\`` : `[\`${name}\`](#${anchor})`
  }
}

function rowOf(each: Export, all: readonly Entry[], linkOf: LinkOf): string[] {
  const declared = declarationOf(each, all)?.declared
  if (each.kind === 'own') {
    const { name, declared: own } = each
    if (name === 'default') return ['default', own.kind, `The same as ${linkOf(own.name)}.`]
    return [linkOf(name), own.kind, firstSentenceOf(own.docstring, linkOf)]
  }
  const { name, origin } = each
  const what = firstSentenceOf(declared?.docstring ?? '', codeOf)
  const there = `from [\`${origin}\`](${pageNameOf(origin)})`
  return [
    name === 'default' ? name : codeOf(name),
    declared?.kind ?? '',
    `${what} (${there})`.trim(),
  ]
}

function additionsTo(additions: readonly Addition[], linkOf: LinkOf): string[] {
  if (additions.length === 0) return []
  const items = additions.map(
    ({ module, to, member }) =>
      `- \`${to}\` of \`${module}\`: \`${member.signature}\`${described(member.docstring, linkOf)}`,
  )
  return ['## What it adds to other types', items.join('\n')]
}

function sectionOf(name: string, declared: Declared, linkOf: LinkOf): string[] {
  const { docstring, signatures, members, kind } = declared
  return [
    `## ${name}`,
    // `typescript`, for blocks fenced as `ts` are examples, which are run.
    `\`\`\`typescript\n${signatures.join('\n')}\n\`\`\``,
    markdownOf(docstring, linkOf),
    members
      .map(({ signature, docstring: about }) => `- \`${signature}\`${described(about, linkOf)}`)
      .join('\n'),
    kind === 'class' && members.length === 0 ? 'It has no public members.' : '',
  ]
}

/** The docstring of a list item: behind it when it is one paragraph, else indented below. */
function described(docstring: string, linkOf: LinkOf): string {
  const text = markdownOf(docstring, linkOf)
  if (text === '') return ''
  return text.includes('\n\n') || text.includes('\n- ')
    ? `\n\n${text.replaceAll(/^(?=.)/gm, '  ')}\n`
    : ` – ${text.replaceAll('\n', ' ')}`
}

function tableOf(head: readonly string[], rows: readonly (readonly string[])[]): string {
  return [head, head.map(() => '---'), ...rows].map(tableRow).join('\n')
}

function tableRow(cells: readonly string[]): string {
  return `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`
}

function codeOf(name: string): string {
  return `\`${name}\``
}

function paragraphs(parts: readonly string[]): string {
  return `${parts.filter((part) => part !== '').join('\n\n')}\n`
}
