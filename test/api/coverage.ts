import { relative } from 'node:path'
import { sourceFiles } from '../support/source-files.ts'
import type { Entry } from './entries.ts'
import type { OwnExport } from './exports.ts'
import { Throws } from './throws.ts'

/** What public docstrings leave unsaid, a sentence each. */
export function gapsOf(root: string, entries: readonly Entry[]): string[] {
  const throws = new Throws(sourceFiles(root))
  const own = entries.flatMap(({ exports }) => exports.filter((each) => each.kind === 'own'))
  const once = new Map(own.map((each) => [`${each.file} ${each.declared.name}`, each]))
  return [...once.values()].flatMap((each) =>
    [...unsaid(each), ...unsaidDefaults(each), ...unsaidErrors(each, throws)].map(
      (gap) => `${relative(root, sourceOf(each.file))}: ${each.declared.name}${gap}`,
    ),
  )
}

function sourceOf(file: string): string {
  return file.replace('/dist/', '/src/').replace(/\.d\.ts$/, '.ts')
}

function unsaid({ declared: { docstring } }: OwnExport): string[] {
  return /^[^@][^]*?\.(?:\s|$)/.test(docstring) ? [] : [' has no docstring with a first sentence']
}

function unsaidDefaults({ declared: { name, members } }: OwnExport): string[] {
  if (!name.endsWith('Options')) return []
  return members.flatMap(({ name: option, docstring, optional, signature }) => {
    if (docstring === '') return [`.${option} has no docstring`]
    if (optional && !/default|\bwithout\b/i.test(docstring)) return [`.${option} names no default`]
    const duration =
      /Ms\??: number/.test(signature) && !/\bms\b|\b(?:milli)?seconds?\b/.test(docstring)
    return duration ? [`.${option} names no unit`] : []
  })
}

function unsaidErrors({ declared, file }: OwnExport, throws: Throws): string[] {
  const source = sourceOf(file)
  if (declared.kind === 'function') {
    const silent = throws.has(source, declared.name) && !saysErrors(declared.docstring)
    return silent ? [' throws, and does not say so'] : []
  }
  if (declared.kind !== 'class') return []
  return declared.members
    .filter(
      ({ name, docstring, signature }) =>
        throws.has(source, `${declared.name}.${name}`) &&
        !saysErrors(docstring) &&
        !signature.startsWith('get '),
    )
    .map(({ name }) => `.${name} throws, and does not say so`)
}

function saysErrors(docstring: string): boolean {
  return /@throws|\breject/i.test(docstring)
}
