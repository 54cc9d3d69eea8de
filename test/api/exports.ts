import { dirname, resolve } from 'node:path'
import { declarationsOf, type Declared } from './declarations.ts'
import { parse, textOf, type Syntax } from './syntax.ts'

/** Under which name a module exports what. */
export type Export = OwnExport | ForeignExport

/** What is declared in the package itself. */
export interface OwnExport {
  readonly kind: 'own'
  readonly name: string
  readonly file: string
  readonly declared: Declared
}

/** What another package declares. */
export interface ForeignExport {
  readonly kind: 'foreign'
  readonly name: string
  /** The specifier of the entry point that it comes from. */
  readonly origin: string
}

/** What a module exports. The name `*` stands for all that another package exports. */
export function exportsOf(file: string): Export[] {
  const syntax = parse(file)
  const declared = [...declarationsOf(syntax).values()].filter(({ exported }) => exported)
  return [
    ...declared.map((each): Export => ({ kind: 'own', name: each.name, file, declared: each })),
    ...syntax.program.body.flatMap((statement) => {
      if (statement.type === 'ExportAllDeclaration') return all(file, statement.source.value)
      if (statement.type !== 'ExportNamedDeclaration') return []
      return statement.specifiers.map(({ local, exported }) => {
        const original = textOf(syntax, local)
        const origin = statement.source?.value ?? importedFrom(syntax, original)
        return { ...find(syntax, origin, original), name: textOf(syntax, exported) }
      })
    }),
  ]
}

/** The declarations that a relative specifier means, which keeps the `.ts` of the sources. */
export function resolved(file: string, specifier: string): string {
  return resolve(dirname(file), specifier.replace(/\.[jt]s$/, '.d.ts'))
}

function all(file: string, specifier: string): Export[] {
  if (!specifier.startsWith('.')) return [{ kind: 'foreign', name: '*', origin: specifier }]
  return exportsOf(resolved(file, specifier)).filter(({ name }) => name !== 'default')
}

function find(syntax: Syntax, origin: string | undefined, name: string): Export {
  if (origin === undefined) {
    const declared = declarationsOf(syntax).get(name)
    if (declared !== undefined) return { kind: 'own', name, file: syntax.file, declared }
  } else if (origin.startsWith('.')) {
    const found = exportsOf(resolved(syntax.file, origin)).find((each) => each.name === name)
    if (found !== undefined) return found
  } else {
    return { kind: 'foreign', name, origin }
  }
  throw new Error(`${syntax.file} exports ${name}, which is declared nowhere`)
}

function importedFrom({ program }: Syntax, name: string): string | undefined {
  for (const statement of program.body) {
    if (statement.type !== 'ImportDeclaration') continue
    if (statement.specifiers.some(({ local }) => local.name === name)) return statement.source.value
  }
  return undefined
}
