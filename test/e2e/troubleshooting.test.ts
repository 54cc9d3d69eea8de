import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, test } from '@jest/globals'
import { declaredUnions, usedCodes } from '../support/declared-codes.ts'

const root = fileURLToPath(new URL('../../../', import.meta.url))
const page = readFileSync(join(root, 'docs/troubleshooting.md'), 'utf8')

/** Unions of what is no trouble, and one that is a part of others alone. */
const NO_TROUBLE = new Set([
  'AllowReason',
  'BreakerState',
  'LocalAuthorityState',
  'OptionErrorCode',
])

/** What stands before a code where an operator sees it. */
const PREFIXES: Readonly<Record<string, string>> = { TokenFault: 'jwt-' }

interface Entry {
  readonly codes: readonly string[]
  readonly text: string
}

/** The entries of a part of the page: a heading with codes, and the text below it. */
function entriesOf(part: string): Entry[] {
  return part
    .split(/^#{2,} /m)
    .slice(1)
    .map((section) => {
      const [heading = '', ...lines] = section.split('\n')
      const codes = [...heading.matchAll(/`(?<code>[^`]+)`/g)].map(({ groups }) => groups!['code']!)
      return { codes, text: lines.join(' ').trim() }
    })
}

/** The parts of the page that say "Codes of `Union`": each up to the next heading of the level of its own. */
function partsAbout(union: string): string[] {
  const parts = page.split(/^(?=## )/m).flatMap((chapter) => {
    const sections = chapter.split(/^(?=### )/m)
    const isAboutAll = introOf(sections[0]!).includes(`\`${union}\``)
    return isAboutAll ? [chapter] : sections.filter((s) => introOf(s).includes(`\`${union}\``))
  })
  return parts
}

const introOf = (part: string): string => /^Codes of .*?(?:\.|:) /ms.exec(`${part} `)?.[0] ?? ''

const unions = declaredUnions(root).filter(({ name }) => !NO_TROUBLE.has(name))

describe('docs/troubleshooting.md', () => {
  test('is checked against the unions that the sources declare', () => {
    expect(unions.map(({ name }) => name)).toEqual(
      expect.arrayContaining([
        'AuthorityErrorCode',
        'AuthzErrorCode',
        'DenyReason',
        'HandshakeFailureCode',
        'PeerErrorCode',
        'RefusalCode',
        'SpiffeErrorCode',
        'SvidPluginErrorCode',
        'TlsErrorCode',
        'TokenFault',
        'WorkloadApiErrorCode',
      ]),
    )
    expect(unions.find(({ name }) => name === 'RefusalCode')?.codes).toContain('no-uri-san')
  })

  test.each(unions.map(({ name, codes }) => [name, codes] as const))(
    'has an entry for each code of %s, where it tells of that union',
    (name, codes) => {
      const entries = partsAbout(name).flatMap(entriesOf)
      const known = new Set(entries.flatMap((entry) => entry.codes))
      const prefix = PREFIXES[name] ?? ''
      expect(codes.filter((code) => !known.has(prefix + code))).toEqual([])
    },
  )

  test('has an entry for each code that the sources use, declared in a union or not', () => {
    const known = new Set(entriesOf(page).flatMap(({ codes }) => codes))
    const isKnown = (code: string): boolean => known.has(code) || known.has(`device-${code}`)
    expect(usedCodes(root).filter((code) => !isKnown(code))).toEqual([])
  })

  test('has no entry for a code that there is no more, and none without a text', () => {
    const entries = entriesOf(page).filter(({ codes }) => codes.length > 0)
    expect(entries.filter(({ text }) => text.length < 40).map(({ codes }) => codes)).toEqual([])
    const declared = new Set([
      ...unions.flatMap(({ name, codes }) => codes.map((code) => (PREFIXES[name] ?? '') + code)),
      ...usedCodes(root).flatMap((code) => [code, `device-${code}`]),
      // Reasons of `peer`, in its log line alone.
      'not-accepted',
      'lapsed',
    ])
    const gone = entries.flatMap(({ codes }) => codes).filter((code) => !declared.has(code))
    expect(gone).toEqual([])
  })
})
