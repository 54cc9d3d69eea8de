import { mkdirSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

const FOLDER = fileURLToPath(new URL('../../../results/', import.meta.url))

interface Assertion {
  readonly ancestorTitles: readonly string[]
  readonly title: string
  readonly status: string
}

interface Results {
  readonly testResults: readonly { readonly testResults: readonly Assertion[] }[]
}

const HEADER: Row = ['peer', 'version', 'role', 'result']
const LEFT_OUT = /^left out: /

type Row = readonly [peer: string, version: string, role: string, result: string]

/** A reporter for Jest: when all is over it prints one line for each peer and role, and writes the table to `test/results`. */
export default class TableReporter {
  onRunComplete(_: unknown, { testResults }: Results): void {
    const roles = new Map<string, Assertion[]>()
    for (const assertion of testResults.flatMap((file) => file.testResults)) {
      if (assertion.ancestorTitles.length === 0) continue
      const key = assertion.ancestorTitles.join('\n')
      roles.set(key, [...(roles.get(key) ?? []), assertion])
    }
    const table = `${toTable([HEADER, ...[...roles.values()].map(rowOf)])}\n`
    mkdirSync(FOLDER, { recursive: true })
    writeFileSync(`${FOLDER}interop.md`, table)
    process.stderr.write(`\n${table}\n`)
  }
}

function rowOf(assertions: readonly Assertion[]): Row {
  const [peer = '', role = 'both'] = assertions[0]?.ancestorTitles ?? []
  const [name = '', version = '–'] = peer.split(' ')
  return [name, version, role.replace('as our ', ''), resultOf(assertions)]
}

function resultOf(assertions: readonly Assertion[]): string {
  const leftOut = assertions.find(({ title }) => LEFT_OUT.test(title))
  if (leftOut !== undefined) return leftOut.title
  const failed = assertions.filter(({ status }) => status === 'failed')
  const passed = assertions.filter(({ status }) => status === 'passed').length
  if (failed.length > 0) return `FAILED: ${failed.map(({ title }) => title).join('; ')}`
  return passed > 0 ? `${passed} passed` : 'not run'
}

function toTable(rows: readonly Row[]): string {
  const widths = HEADER.map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)))
  const line = (cells: readonly string[]): string =>
    `| ${cells.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join(' | ')} |`
  const rule = line(widths.map((width) => '-'.repeat(width)))
  const [header = HEADER, ...rest] = rows
  return [line(header), rule, ...rest.map(line)].join('\n')
}
