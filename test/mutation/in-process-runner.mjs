/**
 * A Stryker test runner that keeps the tests loaded and switches mutants in the same process, which
 * takes milliseconds where a run of Jest takes a second.
 */
import { register } from 'node:module'
import { relative, resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import { commonTokens, declareClassPlugin, PluginKind, tokens } from '@stryker-mutator/api/plugin'
import {
  determineHitLimitReached,
  DryRunStatus,
  TestStatus,
  toMutantRunResult,
} from '@stryker-mutator/api/test-runner'
import { load, run, testsOf } from './harness.mjs'
import { keysFor, rememberKeys } from './keys.mjs'

// What the instrumented code looks at.
// oxlint-disable-next-line no-underscore-dangle -- Stryker's name for it
const stryker = (globalThis.__stryker__ ??= {})

class InProcessRunner {
  static inject = tokens(commonTokens.options)
  #testFiles
  #blocks
  /** On whose behalf code ran: what the instrumented code takes for tests are indexes of it. */
  #scopes = []
  #stray

  constructor({ inProcess }) {
    this.#testFiles = inProcess.testFiles
  }

  capabilities() {
    return { reloadEnvironment: false }
  }

  init() {
    register('./hooks.mjs', import.meta.url)
    rememberKeys()
    // A failure outside of a test is that of the test which it comes in.
    process.on('uncaughtException', (error) => (this.#stray ??= error))
    process.on('unhandledRejection', (error) => (this.#stray ??= error))
  }

  async dryRun() {
    const result = await this.#run(() => true, true)
    return { ...result, mutantCoverage: coverage(this.#blocks, this.#scopes) }
  }

  async mutantRun({ activeMutant, mutantActivation, testFilter, hitLimit, disableBail }) {
    if (mutantActivation !== 'static') await this.#load()
    stryker.activeMutant = activeMutant.id
    stryker.hitLimit = hitLimit
    stryker.hitCount = hitLimit === undefined ? undefined : 0
    const wanted = testFilter === undefined ? undefined : new Set(testFilter)
    const result = await this.#run(({ name }) => wanted?.has(name) ?? true, disableBail)
    stryker.activeMutant = undefined
    return toMutantRunResult(
      determineHitLimitReached(stryker.hitCount, hitLimit) ?? result,
      disableBail,
    )
  }

  async #load() {
    if (this.#blocks !== undefined) return
    const blocks = []
    for (const file of this.#testFiles) {
      keysFor(file)
      blocks.push(await load(relative('.', file), pathToFileURL(resolve(file)).href))
    }
    this.#blocks = blocks
  }

  async #run(selected, runsAll) {
    try {
      await this.#load()
    } catch (error) {
      // A mutant that keeps the modules from loading is found.
      const failed = { id: 'loading', name: 'loading', timeSpentMs: 0, status: TestStatus.Failed }
      return {
        status: DryRunStatus.Complete,
        tests: [{ ...failed, failureMessage: String(error?.stack) }],
      }
    }
    const tests = []
    this.#scopes = []
    this.#stray = undefined
    const onScope = (scope) => {
      stryker.currentTestId = String(this.#scopes.push(scope) - 1)
      keysFor(`${scope.length} ${scope[0].name}`)
    }
    const onResult = ({ name }, error, timeSpentMs) => {
      const failure = error ?? this.#stray
      this.#stray = undefined
      const outcome = { id: name, name, timeSpentMs }
      tests.push(
        failure === undefined
          ? { ...outcome, status: TestStatus.Success }
          : { ...outcome, status: TestStatus.Failed, failureMessage: String(failure?.stack) },
      )
      return runsAll || failure === undefined
    }
    for (const block of this.#blocks) {
      if (!(await run(block, { selected, onScope, onResult }))) break
    }
    stryker.currentTestId = undefined
    return { status: DryRunStatus.Complete, tests }
  }
}

/** What hooks reach is reached by all tests that they serve. */
function coverage(blocks, scopes) {
  const { static: atLoad, perTest: hitsOf } = stryker.mutantCoverage
  const perTest = Object.fromEntries(
    blocks.flatMap(testsOf).map(({ name }) => [name, Object.create(null)]),
  )
  const reached = new Set()
  for (const [scope, hits] of Object.entries(hitsOf)) {
    for (const [mutant, count] of Object.entries(hits)) {
      reached.add(mutant)
      for (const { name } of scopes[scope]) {
        perTest[name][mutant] = (perTest[name][mutant] ?? 0) + count
      }
    }
  }
  // What runs in tests too is judged by them: to load everything anew for it takes too long.
  const onlyAtLoad = Object.entries(atLoad).filter(([mutant]) => !reached.has(mutant))
  return { static: Object.fromEntries(onlyAtLoad), perTest }
}

export const strykerPlugins = [
  declareClassPlugin(PluginKind.TestRunner, 'in-process', InProcessRunner),
]
