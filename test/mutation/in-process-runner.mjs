/**
 * A Stryker test runner that keeps the tests loaded and switches mutants in the same process, which
 * takes milliseconds where a run of Jest takes a second.
 */
import { register } from 'node:module'
import { resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import { commonTokens, declareClassPlugin, PluginKind, tokens } from '@stryker-mutator/api/plugin'
import {
  determineHitLimitReached,
  DryRunStatus,
  TestStatus,
  toMutantRunResult,
} from '@stryker-mutator/api/test-runner'
import { load, run, setTestTimeout, testsOf } from './harness.mjs'
import { keysFor, rememberKeys } from './keys.mjs'

// What the instrumented code looks at.
// oxlint-disable-next-line no-underscore-dangle -- Stryker's name for it
const stryker = (globalThis.__stryker__ ??= {})

class InProcessRunner {
  static inject = tokens(commonTokens.options)
  #testFiles
  /** By file. */
  #blocks = new Map()
  /** On whose behalf code ran: what the instrumented code takes for tests are indexes of it. */
  #scopes = []
  #stray

  constructor({ inProcess }) {
    this.#testFiles = inProcess.testFiles
    setTestTimeout(inProcess.testTimeoutMs)
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
    const tests = await this.#run({ runsAll: true })
    const mutantCoverage = coverage([...this.#blocks.values()], this.#scopes)
    return { status: DryRunStatus.Complete, tests, mutantCoverage }
  }

  async mutantRun({ activeMutant, mutantActivation, testFilter, hitLimit, disableBail }) {
    stryker.hitLimit = hitLimit
    stryker.hitCount = hitLimit === undefined ? undefined : 0
    const tests = await this.#run({
      mutant: activeMutant.id,
      mutantAtLoad: mutantActivation === 'static' ? activeMutant.id : undefined,
      wanted: testFilter && new Set(testFilter),
      runsAll: disableBail,
    })
    const result = { status: DryRunStatus.Complete, tests }
    return toMutantRunResult(
      determineHitLimitReached(stryker.hitCount, hitLimit) ?? result,
      disableBail,
    )
  }

  async #run({ mutant, mutantAtLoad, wanted, runsAll }) {
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
      tests.push(outcomeOf(name, timeSpentMs, failure))
      return runsAll || failure === undefined
    }
    const selected = ({ name }) => wanted?.has(name) ?? true
    for (const file of this.#testFiles) {
      if (wanted !== undefined && ![...wanted].some((name) => name.startsWith(file))) continue
      stryker.activeMutant = mutantAtLoad
      const block = await this.#load(file, onResult)
      stryker.activeMutant = mutant
      const goesOn = block !== undefined && (await run(block, { selected, onScope, onResult }))
      stryker.currentTestId = undefined
      if (!goesOn) break
    }
    stryker.activeMutant = undefined
    return tests
  }

  /** Loads a file when its turn has come: some tests take the time as they load. */
  async #load(file, onResult) {
    if (this.#blocks.has(file)) return this.#blocks.get(file)
    keysFor(file)
    try {
      const block = await load(file, pathToFileURL(resolve(file)).href)
      this.#blocks.set(file, block)
      return block
    } catch (error) {
      // A mutant that keeps the modules from loading is found.
      onResult({ name: file }, error, 0)
      return undefined
    }
  }
}

function outcomeOf(name, timeSpentMs, failure) {
  const outcome = { id: name, name, timeSpentMs }
  if (failure === undefined) return { ...outcome, status: TestStatus.Success }
  const failureMessage = String(failure?.stack)
  return { ...outcome, status: TestStatus.Failed, failureMessage }
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
