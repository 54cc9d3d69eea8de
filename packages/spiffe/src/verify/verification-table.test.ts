import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from '@jest/globals'
import { refusalCodes } from './refusal.ts'

const PACKAGE = join(import.meta.dirname, '../..')
const TEST_FOLDERS = ['src/der', 'src/x509', 'src/verify', '../../test/rules']

/** The text of each test file, by its name. */
const sources = new Map(
  TEST_FOLDERS.flatMap((folder) =>
    readdirSync(join(PACKAGE, folder))
      .filter((file) => file.endsWith('.test.ts'))
      .map((file) => [file, readFileSync(join(PACKAGE, folder, file), 'utf8')] as const),
  ),
)

interface Row {
  readonly rule: string
  readonly codes: readonly string[]
  readonly tests: readonly (readonly [file: string, title: string])[]
}

const rows: readonly Row[] = readFileSync(join(PACKAGE, 'VERIFICATION.md'), 'utf8')
  .split('\n')
  .filter((line) => /^\| (?!rule +\||-+ \|)/.test(line))
  .map((line) => {
    const [rule = '', , , codes = '', tests = ''] = line.slice(2, -2).split(' | ')
    return { rule: rule.trim(), codes: quotedIn(codes), tests: testsIn(tests) }
  })

function quotedIn(cell: string): string[] {
  return [...cell.matchAll(/`([^`]+)`/g)].map(([, quoted]) => quoted!)
}

/** `file`: title · title; `file`: title */
function testsIn(cell: string): [string, string][] {
  return cell.split(/; (?=`)/).flatMap((part): [string, string][] => {
    const [, file = '', titles = ''] = /^`([^`]+)`: (.*)$/.exec(part.trim()) ?? []
    return titles.split(' · ').map((title) => [file, title.trim()])
  })
}

/** Whether a string literal of the file begins with the title. */
function hasTitle(file: string, title: string): boolean {
  const source = sources.get(file) ?? ''
  return ["'", '"', '`'].some((mark) => source.includes(`${mark}${title}`))
}

describe('the table in VERIFICATION.md', () => {
  test('has rows, each with a test', () => {
    expect(rows.length).toBeGreaterThan(60)
    for (const { rule, tests } of rows) expect([rule, tests.length]).not.toEqual([rule, 0])
  })

  test.each(rows)('$rule: the tests that it names exist', ({ tests }) => {
    expect(tests.filter(([file, title]) => title === '' || !hasTitle(file, title))).toEqual([])
  })

  test('names each refusal code, and no other', () => {
    const named = new Set(rows.flatMap(({ codes }) => codes))
    named.delete('invalid-bundle')
    expect([...named].toSorted()).toEqual(refusalCodes.toSorted())
  })
})
