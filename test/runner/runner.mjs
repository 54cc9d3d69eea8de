/**
 * A Jest `testRunner` that imports test files natively. Those of one worker share the modules that
 * they import, where Jest's own links them anew for each file, in a context of its own.
 */
import nodeModule, { createRequire } from 'node:module'
import { pathToFileURL } from 'node:url'
import { setFlagsFromString } from 'node:v8'
import { useGlobals } from './globals.mjs'
import { resolve } from './hooks.mjs'
import { leftBehind, look } from './left-behind.mjs'

const require = createRequire(import.meta.url)
const { default: circus } = require('jest-circus/runner')
const EVENT_HANDLERS = Symbol.for('EVENT_HANDLERS')

const LOAD_TIMEOUT_MS = 60_000
const STACK_TRACE_LIMIT = 20
/** How long sockets and child processes may take to end after the last test, on a slow machine too. */
const END_TIMEOUT_MS = 10_000

// Node 20 optimizes functions so early that it takes longer than the tests gain by it. Newer ones have no such flag.
if (process.versions.node.startsWith('20.')) setFlagsFromString('--interrupt-budget=1000000')

// Node 20 has no `registerHooks`, and newer ones warn of `register`.
if (nodeModule.registerHooks === undefined) nodeModule.register('./hooks.mjs', import.meta.url)
else nodeModule.registerHooks({ resolve })

// These handles are opened when they are first used.
void [process.stdout, process.stderr]

export default function run(globalConfig, config, environment, runtime, path, send) {
  if (globalConfig.watch || globalConfig.watchAll) {
    throw new Error(
      'modules are loaded once, so that a change of them is not seen: run the tests again',
    )
  }
  const native = Object.create(runtime, {
    requireInternalModule: { value: requireReset },
    requireModule: { value: require },
    setGlobalsForRuntime: { value: useGlobals },
    unstable_importModule: { value: load },
    unstable_shouldLoadAsEsm: { value: () => true },
  })
  // Jest asks for a hundred frames, which cost each error that is made.
  Error.stackTraceLimit = STACK_TRACE_LIMIT
  const before = look()
  // An `await` would stand in the stack traces of the tests.
  return circus(globalConfig, config, environment, native, path, send).then(async (result) => {
    const found = await leftBehind(before, config.globals.endTimeoutMs ?? END_TIMEOUT_MS)
    return found.length === 0 ? result : failed(result, found)
  })
}

let loaded

/**
 * Circus keeps its listeners and its state among the globals, and makes them when it is loaded. To load
 * it for each file would leave behind an `AsyncLocalStorage` each time, which slows every promise down.
 */
function requireReset(path) {
  loaded ??= loadCircus(path)
  const handlers = globalThis[EVENT_HANDLERS]
  handlers.splice(0, handlers.length, ...loaded.handlers)
  globalThis[loaded.stateKey] = loaded.newState()
  return loaded.adapter
}

function loadCircus(path) {
  const adapter = require(path)
  const handlers = [...globalThis[EVENT_HANDLERS]]
  const stateKey = Object.getOwnPropertySymbols(globalThis).find(
    ({ description }) => description === 'JEST_STATE_SYMBOL',
  )
  const { getState, resetState } = require('jest-circus')
  const newState = () => {
    resetState()
    return getState()
  }
  return { adapter, handlers, stateKey, newState }
}

function load(path) {
  let timer
  const late = new Promise((_, reject) => {
    const error = new Error(`${path} is not loaded after ${LOAD_TIMEOUT_MS} ms`)
    timer = setTimeout(() => reject(error), LOAD_TIMEOUT_MS)
  })
  return Promise.race([import(pathToFileURL(path).href), late]).finally(() => clearTimeout(timer))
}

function failed(result, found) {
  const lines = [
    '  ● The test file leaves something behind:',
    '',
    ...found.map((line) => `    ${line}`),
  ]
  const message = `${lines.join('\n')}\n`
  const failureMessage = [result.failureMessage, message].filter(Boolean).join('\n')
  return { ...result, failureMessage, testExecError: { message, stack: message } }
}
