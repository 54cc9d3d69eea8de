import { mkdir, writeFile } from 'node:fs/promises'
import { join, relative, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { parts } from './suite/catalogue.ts'
import { isExpected, readExpectations } from './suite/expectations.ts'
import { toJson, toMarkdown } from './suite/report.ts'
import { runCases, type Result } from './suite/run-cases.ts'
import { countStatuses } from './suite/summary.ts'

const here = new URL('../../conformance/', import.meta.url)

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    harness: { type: 'string', default: fileURLToPath(new URL('harness', here)) },
    expected: {
      type: 'string',
      default: fileURLToPath(new URL('expected-failures.json', here)),
    },
    output: { type: 'string', default: fileURLToPath(new URL('../results', here)) },
    parallel: { type: 'string', default: '2' },
  },
})
const harness = resolve(values.harness)

/** `XV`, `XV-3` or `XV-3/client`; without any, all. */
const isWanted = ({ name }: { readonly name: string }): boolean =>
  positionals.length === 0 ||
  positionals.some(
    (wanted) => name.startsWith(wanted) && /^(?:$|[-/])/.test(name.slice(wanted.length)),
  )

const cases = parts.flatMap((part) => part.cases).filter(isWanted)
const expectations = await readExpectations(values.expected)
const say = (line: string): void => void process.stdout.write(`${line}\n`)

const tell = ({ conformanceCase: { name, title }, status, detail, durationMs }: Result): void => {
  say(`${status.padEnd(5)} ${name}: ${title} (${durationMs} ms)`)
  if (detail !== '') say(detail.replaceAll(/^/gm, '      '))
}

const outcome = await runCases(cases, harness, Number(values.parallel), tell)
const run = {
  harness: relative('', harness),
  node: process.version,
  results: outcome,
  expectations,
}
const markdown = toMarkdown(run)
await mkdir(values.output, { recursive: true })
await writeFile(join(values.output, 'conformance.json'), toJson(run))
await writeFile(join(values.output, 'conformance.md'), `${markdown}\n`)

const unexpected = outcome.filter((result) => !isExpected(result, expectations))
const { PASS: passed } = countStatuses(outcome)
say(`\n${markdown}\n`)
if (unexpected.length > 0) {
  say(
    `Not as expected: ${unexpected.map(({ conformanceCase }) => conformanceCase.name).join(', ')}`,
  )
}
say(`Results in ${values.output}: conformance.json, conformance.md`)
// As jest says it, so that suites can be added up.
const failed = unexpected.length === 0 ? '' : `${unexpected.length} failed, `
say(`Tests:       ${failed}${passed} passed, ${outcome.length} total`)
if (unexpected.length > 0 || outcome.length === 0) process.exitCode = 1
