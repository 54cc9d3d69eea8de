import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { refusalCodes } from '@fastify-spiffe/spiffe'
import { jwtRefusalCodes } from '@fastify-spiffe/spiffe/jwt-svid'
import { describe, expect, test } from '@jest/globals'
import { documentPaths } from '../support/readme-examples.ts'
import { sourceFiles } from '../support/source-files.ts'
import { readEntries } from './entries.ts'
import type { OwnExport } from './exports.ts'

const root = join(import.meta.dirname, '../../..')

/** Interfaces that are options by another name: what a user writes, member by member. */
const WRITTEN_BY_USERS =
  /(?:Options|Template|Shape|Budget|Settings)$|^(?:RouteRule|EngineUse|Engine|PolicyDocument|PolicyTest|PolicyFile|AttributeProvider|ProvidedAttributes|RefusedAttributes|DerSvid|PemSvid)$/
/** Closed lists of strings that a user compares with. */
const LISTS = /(?:Code|Reason|Problem)$/

const exported = readEntries(root).flatMap(({ exports }) =>
  exports.filter((each): each is OwnExport => each.kind === 'own'),
)
/** What people wrote: the pages of `docs/api` are made from the docstrings, and show everything. */
const documents = documentPaths(root).filter((path) => !path.startsWith('docs/api/'))
/** All that documents show as code, in a sentence, a table or a block. */
const shown = wordsOf(documents.map((path) => readFileSync(join(root, path), 'utf8')))

function wordsOf(texts: readonly string[]): ReadonlySet<string> {
  const code = texts.flatMap((text) => text.match(/^```.*?^```$|`[^`\n]+`/gms) ?? [])
  return new Set(code.flatMap((each) => each.match(/[\w$:-]+/g) ?? []))
}

function isShown(name: string): boolean {
  return shown.has(name) || shown.has(`${name}:`)
}

/** Its members, and those of objects within. */
function optionsOf({ declared }: OwnExport): string[] {
  return declared.members.flatMap(({ name, signature }) => [
    name,
    ...Array.from(signature.matchAll(/[{;] readonly (?<inner>\w+)\??:/g), ({ groups }) => {
      return groups!['inner']!
    }),
  ])
}

const options = new Map(
  exported
    .filter(({ declared: { kind, name } }) => kind === 'interface' && WRITTEN_BY_USERS.test(name))
    // A cache for sister packages.
    .filter(({ declared: { name } }) => name !== 'FairCacheOptions')
    .map((each) => [each.declared.name, optionsOf(each)]),
)

const lists = new Map(
  exported
    .filter(({ declared }) => declared.kind === 'type' && LISTS.test(declared.name))
    .map(({ declared: { name, signatures } }) => [
      name,
      Array.from(signatures[0]?.matchAll(/'(?<text>[a-z-]+)'/g) ?? [], ({ groups }) => {
        return groups!['text']!
      }),
    ]),
)

function channelsIn(path: string): string[] {
  const quoted = readFileSync(path, 'utf8').match(/'spiffe:[a-z:-]+'/g) ?? []
  return quoted.map((name) => name.slice(1, -1)).filter((name) => name.split(':').length === 3)
}

describe('the documents and READMEs mention', () => {
  test.each([...options])('every option of %s', (_name, names) => {
    expect(names.filter((name) => !isShown(name))).toEqual([])
  })

  test.each([...lists])('every string of %s', (_name, texts) => {
    expect(texts.filter((text) => !isShown(text))).toEqual([])
  })

  test('every refusal code of the verifiers', () => {
    expect([...refusalCodes, ...jwtRefusalCodes].filter((code) => !isShown(code))).toEqual([])
  })

  test('every diagnostics channel', () => {
    const channels = sourceFiles(root).flatMap(channelsIn)
    expect(channels.length).toBeGreaterThan(20)
    expect(channels.filter((name) => !isShown(name))).toEqual([])
  })
})

test('the README of a package is read in one go: it has 250 lines at most', () => {
  const lengths = documents
    .filter((path) => /^packages\/[^/]+\/README\.md$/.test(path))
    .map((path) => [path, readFileSync(join(root, path), 'utf8').split('\n').length - 1] as const)
  expect(lengths.length).toBeGreaterThan(0)
  expect(lengths.filter(([, lines]) => lines > 250)).toEqual([])
})

test('the list of contents links to every page under docs', () => {
  const contents = readFileSync(join(root, 'docs/README.md'), 'utf8')
  const pages = documents.filter((path) => path.startsWith('docs/'))
  const missing = pages
    .map((path) => path.slice('docs/'.length))
    .filter((path) => path !== 'README.md' && !contents.includes(`](${path})`))
  expect(missing).toEqual([])
})
