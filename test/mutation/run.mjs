/**
 * Mutation testing: changes the code in small ways, one at a time, and expects a test to fail for each.
 *
 *   pnpm test:mutation                   everything; writes survivors.md
 *   pnpm test:mutation acceptor gate     some of it, by the names in parts.mjs
 *   pnpm test:mutation reading --mutate 'packages/spiffe/src/id/*.ts' --results results.json
 */
import { readFile, writeFile } from 'node:fs/promises'
import { parseArgs } from 'node:util'
import { Stryker } from '@stryker-mutator/core'
import { runs } from './parts.mjs'
import { findingOf, scoreOf, sentenceOf, staleReasons, survivorsPage } from './report.mjs'
import { compileCommand, inCopy, testFiles } from './workplace.mjs'

const LEAST_SCORE = 85
/** Long, because a slow machine must not find mutants. Tests that only wait for each other are given less. */
const TEST_TIMEOUT_MS = 20_000

const plugin = (file) => new URL(file, import.meta.url).href

/** Tries all mutants of a part, in a copy of the project that is the current directory. */
async function mutate({
  package: name,
  mutate: patterns,
  tests,
  mutantsPerProcess,
  testTimeoutMs = TEST_TIMEOUT_MS,
}) {
  const stryker = new Stryker({
    mutate: [...patterns, '!**/*.test*.ts'],
    plugins: ['in-process-runner.mjs', 'messages.mjs', 'survivor-reporter.mjs'].map(plugin),
    testRunner: 'in-process',
    inProcess: { testFiles: await testFiles(tests), testTimeoutMs },
    ignorers: ['messages'],
    coverageAnalysis: 'perTest',
    concurrency: 1,
    maxTestRunnerReuse: mutantsPerProcess,
    // Beyond what the tests take: for one that does not end, and one that does not yield.
    timeoutMS: testTimeoutMs * 2,
    buildCommand: compileCommand(name),
    inPlace: true,
    disableTypeChecks: false,
    reporters: ['progress-append-only', 'survivors'],
    allowConsoleColors: false,
    warnings: { unknownOptions: false },
  })
  const results = await stryker.runMutationTest()
  return Promise.all(results.map(findingOf))
}

const { values: options, positionals } = parseArgs({
  allowPositionals: true,
  options: { mutate: { type: 'string', multiple: true }, results: { type: 'string' } },
})
const names = positionals.length === 0 ? Object.keys(runs) : positionals
const unknown = names.filter((name) => !Object.hasOwn(runs, name))
if (unknown.length > 0) throw new Error(`there is no ${unknown.join(', ')}`)

const reasons = JSON.parse(await readFile(new URL('reasons.json', import.meta.url), 'utf8'))
const findings = {}
for (const name of names) {
  const { part, ...run } = runs[name]
  if (options.mutate !== undefined) run.mutate = options.mutate
  const found = await inCopy(() => mutate(run))
  findings[part] = [...(findings[part] ?? []), ...found]
}

if (options.results !== undefined) await writeFile(options.results, JSON.stringify(findings))
const page = survivorsPage(findings, reasons)
process.stdout.write(`\n${page}\n`)
for (const [part, found] of Object.entries(findings)) {
  process.stdout.write(`${sentenceOf(part, found)}\n`)
  if (scoreOf(found) >= LEAST_SCORE) continue
  process.stdout.write(`  which is less than ${LEAST_SCORE} %\n`)
  process.exitCode = 1
}
const isComplete = positionals.length === 0 && options.mutate === undefined
for (const explained of staleReasons(findings, reasons, isComplete)) {
  process.stdout.write(`explained in reasons.json, and does not survive: ${explained}\n`)
  process.exitCode = 1
}
if (isComplete) {
  await writeFile(new URL('survivors.md', import.meta.url), page)
}
