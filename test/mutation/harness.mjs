/**
 * What the tests import as `@jest/globals` while mutants are tried: it collects them, so that one
 * process can run those that reach a mutant again and again, and nothing else of Jest.
 */
import { format } from 'node:util'

export { expect } from 'expect'

let testTimeoutMs
const HOOKS = ['beforeAll', 'afterAll', 'beforeEach', 'afterEach']

const newBlock = (name, parent) => ({
  name,
  parent,
  children: [],
  ...Object.fromEntries(HOOKS.map((hook) => [hook, []])),
})

let block = newBlock('', undefined)

export function describe(name, define) {
  const outer = block
  block = newBlock(`${outer.name} ${name}`.trim(), outer)
  outer.children.push(block)
  define()
  block = outer
}

export function test(name, act, timeoutMs = testTimeoutMs) {
  block.children.push({ name: `${block.name} ${name}`.trim(), act, timeoutMs })
}

const each = (define) => (table) => (title, act, timeoutMs) => {
  const rows = table.every(Array.isArray) ? table : table.map((value) => [value])
  for (const [index, values] of rows.entries()) {
    define(`${format(title, ...values)} #${index}`, () => act(...values), timeoutMs)
  }
}

describe.each = each(describe)
test.each = each(test)
test.skip = () => {}

const hook = (kind) => (act, timeoutMs) => void block[kind].push({ act, timeoutMs })
export const [beforeAll, afterAll, beforeEach, afterEach] = HOOKS.map(hook)

/** What tests and hooks may take that do not say so themselves. */
export function setTestTimeout(timeoutMs) {
  testTimeoutMs = timeoutMs
}

/** Loads a test file and returns its outermost block. */
export async function load(name, url) {
  block = newBlock(name, undefined)
  const file = block
  await import(url)
  return file
}

export function testsOf({ children }) {
  return children.flatMap((child) => (child.children === undefined ? [child] : testsOf(child)))
}

/**
 * Runs the tests of a block that `selected` says yes to; ends early when `onResult` returns false.
 * @param onScope is told the tests on whose behalf code runs from now on
 */
export async function run(within, { selected, onScope, onResult }) {
  const mine = testsOf(within).filter(selected)
  if (mine.length === 0) return true
  onScope(mine)
  const failure = await inTurn(within.beforeAll)
  let goesOn = true
  for (const child of within.children) {
    if (!goesOn) break
    if (child.children !== undefined && failure === undefined) {
      goesOn = await run(child, { selected, onScope, onResult })
    } else {
      for (const one of testsOf({ children: [child] }).filter(selected)) {
        onScope([one])
        const startedAt = performance.now()
        const error = failure ?? (await runTest(within, one))
        goesOn = onResult(one, error, performance.now() - startedAt)
        if (!goesOn) break
      }
    }
  }
  onScope(mine)
  await inTurn(within.afterAll)
  return goesOn
}

async function runTest(within, { act, timeoutMs }) {
  const blocks = []
  for (let at = within; at !== undefined; at = at.parent) blocks.unshift(at)
  const before = await inTurn(blocks.flatMap(({ beforeEach: hooks }) => hooks))
  const error = before ?? (await settled(act, timeoutMs))
  const after = await inTurn(blocks.toReversed().flatMap(({ afterEach: hooks }) => hooks))
  return error ?? after
}

async function inTurn(hooks) {
  let failure
  for (const { act, timeoutMs } of hooks) failure ??= await settled(act, timeoutMs)
  return failure
}

/** What `act` throws, or that it does not end; `undefined` when all is well. */
async function settled(act, timeoutMs = testTimeoutMs) {
  let timer
  const tooLate = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error('the test does not end')), timeoutMs)
  })
  try {
    await Promise.race([act(), tooLate])
    return undefined
  } catch (error) {
    return error ?? new Error('a test threw nothing')
  } finally {
    clearTimeout(timer)
  }
}
