import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { importsOf } from '../architecture/imports.ts'
import { membersOf, type Member } from './declarations.ts'
import { exportsOf, resolved, type Export, type OwnExport } from './exports.ts'
import { parse, type Syntax } from './syntax.ts'

/** What a program can import by one specifier. */
export interface Entry {
  /** As `@fastify-spiffe/tls/test-kit`. */
  readonly specifier: string
  /** That of its package. */
  readonly description: string
  readonly exports: readonly Export[]
  /** What importing it adds to the types of other modules. */
  readonly additions: readonly Addition[]
  /** Whether it is for sister packages, and promises nothing. */
  readonly isInternal: boolean
}

export interface Addition {
  readonly module: string
  readonly to: string
  readonly member: Member
}

interface Manifest {
  readonly name: string
  readonly description: string
  readonly exports: Readonly<Record<string, string | { readonly types: string }>>
}

/** All public entry points of the packages, in the order of their specifiers. */
export function readEntries(root: string): Entry[] {
  const entries = readdirSync(join(root, 'packages'))
    .map((folder) => join(root, 'packages', folder))
    .filter((folder) => existsSync(join(folder, 'package.json')))
    .flatMap(readPackage)
    .toSorted((a, b) => (a.specifier < b.specifier ? -1 : 1))
  return entries
    .filter(({ isInternal }) => !isInternal)
    .map(({ specifier, description, exports, additions, isInternal }) => ({
      specifier,
      description,
      exports: exports
        .flatMap((each) => (each.name === '*' ? namesOfAll(each, entries) : each))
        .map((each) => withoutInternal(each, entries))
        .toSorted((a, b) => (a.name < b.name ? -1 : 1)),
      additions,
      isInternal,
    }))
}

/** What an entry exports of an internal one counts as its own. */
function withoutInternal(each: Export, entries: readonly Entry[]): Export {
  if (each.kind === 'own') return each
  const origin = entries.find(({ specifier }) => specifier === each.origin)
  const declaration = origin?.isInternal === true ? declarationOf(each, entries) : undefined
  return declaration === undefined ? each : { ...declaration, name: each.name }
}

/** What an export means: the declaration, wherever it stands. */
export function declarationOf(each: Export, entries: readonly Entry[]): OwnExport | undefined {
  if (each.kind === 'own') return each
  const there = entries
    .find(({ specifier }) => specifier === each.origin)
    ?.exports.find(({ name }) => name === each.name)
  return there && declarationOf(there, entries)
}

function readPackage(folder: string): Entry[] {
  const manifest = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')) as Manifest
  return Object.entries(manifest.exports).flatMap(([subpath, target]) => {
    if (typeof target === 'string') return []
    const file = join(folder, target.types)
    return {
      specifier: join(manifest.name, subpath),
      description: manifest.description,
      exports: exportsOf(file),
      additions: [...reachableFrom(file)].flatMap((each) => additionsOf(parse(each))),
      isInternal: subpath === './internal' || /\/(?:plugin-kit|files)$/.test(manifest.name),
    }
  })
}

function namesOfAll(star: Export, entries: readonly Entry[]): Export[] {
  if (star.kind === 'own') return []
  const { origin } = star
  return (entries.find(({ specifier }) => specifier === origin)?.exports ?? [])
    .filter(({ name }) => name !== 'default')
    .map(({ name }) => ({ kind: 'foreign', name, origin }))
}

/** The declarations that an entry brings in from its own package. */
function reachableFrom(file: string, seen = new Set<string>()): Set<string> {
  if (seen.has(file)) return seen
  seen.add(file)
  for (const { specifier } of importsOf(file, parse(file).text)) {
    if (specifier.startsWith('.')) reachableFrom(resolved(file, specifier), seen)
  }
  return seen
}

function additionsOf(syntax: Syntax): Addition[] {
  return syntax.program.body.flatMap((statement) => {
    if (statement.type !== 'TSModuleDeclaration' || statement.id.type !== 'Literal') return []
    const module = statement.id.value
    return (statement.body?.body ?? []).flatMap((node) => {
      if (node.type !== 'TSInterfaceDeclaration') return []
      const members = membersOf(syntax, node.body.body)
      return members.map((member) => ({ module, to: node.id.name, member }))
    })
  })
}
