import { parseSync, type Comment, type ParseResult } from 'oxc-parser'

export interface Import {
  /** What stands between the quotes. */
  readonly specifier: string
  readonly line: number
}

const TRIPLE_SLASH = /^\/\s*<reference\s+(?:path|types)\s*=\s*["'](?<specifier>[^"']+)["']/
const STRING = /^(?:'(?<single>[^'\\]+)'|"(?<double>[^"\\]+)")$/

/**
 * Everything that a module imports, types included: `import`, `import type`, `export … from`,
 * `import()` of a literal, `import('…')` in a type, `declare module '…'` and `/// <reference …>`.
 */
export function importsOf(name: string, source: string): Import[] {
  const parsed = parseSync(name, source)
  const [error] = parsed.errors
  if (error !== undefined) throw new Error(`${name}: ${error.message}`)
  const found = [
    ...staticImports(parsed),
    ...dynamicImports(parsed, source),
    ...parsed.comments.flatMap(tripleSlash),
  ]
  // The tree is costly to build, and few modules have what is only there.
  if (/\bimport\s*\(|\bdeclare\s+module\b/.test(source))
    found.push(...importsOfTypes(parsed.program))
  return found
    .toSorted((a, b) => a.start - b.start)
    .map(({ specifier, start }) => ({ specifier, line: source.slice(0, start).split('\n').length }))
}

interface Found {
  readonly specifier: string
  readonly start: number
}

function staticImports({ module }: ParseResult): Found[] {
  const requests = [
    ...module.staticImports.map((statement) => statement.moduleRequest),
    ...module.staticExports.flatMap(({ entries }) => {
      // One statement, however many names it exports.
      const request = entries.find((entry) => entry.moduleRequest !== null)?.moduleRequest
      return request ?? []
    }),
  ]
  return requests.map(({ value, start }) => ({ specifier: value, start }))
}

function dynamicImports({ module }: ParseResult, source: string): Found[] {
  return module.dynamicImports.flatMap(({ moduleRequest: { start, end } }) => {
    const groups = STRING.exec(source.slice(start, end))?.groups
    const specifier = groups?.['single'] ?? groups?.['double']
    return specifier === undefined ? [] : [{ specifier, start }]
  })
}

function tripleSlash({ type, value, start }: Comment): Found[] {
  const specifier = type === 'Line' ? TRIPLE_SLASH.exec(value)?.groups?.['specifier'] : undefined
  return specifier === undefined ? [] : [{ specifier, start }]
}

/** `import('…')` in a type, and `declare module '…'`, anywhere below a node. */
function importsOfTypes(node: object): Found[] {
  const { type, source, id } = node as Partial<Record<string, unknown>>
  const name = { TSImportType: source, TSModuleDeclaration: id }[String(type)]
  const children: unknown[] = Object.values(node)
  return [
    ...(isLiteral(name) ? [{ specifier: name.value, start: name.start }] : []),
    ...children.flatMap((child) =>
      typeof child === 'object' && child !== null ? importsOfTypes(child) : [],
    ),
  ]
}

function isLiteral(node: unknown): node is { readonly value: string; readonly start: number } {
  return typeof node === 'object' && node !== null && 'value' in node && 'start' in node
}
