import { execFile, type ExecFileException } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import type { CrashGuard } from './crash-guard.ts'

const FLAG = '--no-turbo-inline-js-wasm-calls'
const isAffected = Number.parseInt(process.versions.node, 10) < 24

/**
 * The smallest program that V8 before Node 24 dies of: a compiled function calls WebAssembly that returns a reference, and
 * meanwhile what the function was compiled for ceases to hold. Arguments: the module under test, and the guard.
 */
const PROGRAM = `
const [, url, guard] = process.argv
const { guardAgainstCrash } = await import(url)
guardAgainstCrash(guard, 'cedar.v8CrashGuard')
// (import "m" "c" (func)) (func (export "p") (param externref) (result externref) call 0 local.get 0)
const sections = [
  '0061736d01000000', '01090260000060016f016f', '020701016d01630000', '03020101', '07050101700001',
  '0a08010600100020000b',
]
const module = new WebAssembly.Module(Buffer.from(sections.join(''), 'hex'))
const state = { value: 1 }
let isArmed = false
const c = () => { if (isArmed) state.value = 2 }
const { p } = new WebAssembly.Instance(module, { m: { c } }).exports
const call = (it) => [p(it), state.value]
for (let turn = 0; turn < 300_000; turn++) call(state)
isArmed = true
const [, value] = call(state)
process.stdout.write('value ' + value)
`

interface End {
  readonly survived: boolean
  readonly output: string
  readonly errors: string
}

let directory: string
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'crash-guard-'))
})
afterAll(async () => {
  await rm(directory, { recursive: true, force: true })
})

const run = async (guard: CrashGuard, flags: readonly string[] = []): Promise<End> => {
  const url = new URL('crash-guard.js', import.meta.url).href
  // Compiled at once, and not on another thread at some time.
  const compiled = ['--no-concurrent-recompilation', ...flags]
  const args = [...compiled, '--input-type=module', '-e', PROGRAM, url, guard]
  // A core that is dumped is dumped there.
  const options = { cwd: directory, env: { ...process.env, NODE_OPTIONS: '' } }
  return await new Promise((resolve) => {
    execFile(process.execPath, args, options, (error: ExecFileException | null, output, errors) => {
      resolve({ survived: error === null, output, errors })
    })
  })
}

describe(`the defect of V8, on Node ${process.versions.node}`, () => {
  test(
    isAffected ? 'ends the process' : 'is gone',
    async () => {
      const { survived, output, errors } = await run('risk-process-crash')
      expect({ survived, output }).toEqual({
        survived: !isAffected,
        output: isAffected ? '' : 'value 2',
      })
      if (isAffected) expect(errors).toContain('Fatal error')
    },
    30_000,
  )

  test(`is out of reach with the guard${isAffected ? ', which says so' : ''}`, async () => {
    const { survived, output, errors } = await run('set-v8-flag')
    expect({ survived, output }).toEqual({ survived: true, output: 'value 2' })
    expect(errors.includes('SPIFFE_AUTHZ_V8_FLAG')).toBe(isAffected)
  }, 30_000)

  test.each([
    ['as V8 writes it', FLAG],
    ['with underscores', '--no_turbo_inline_js_wasm_calls'],
  ])(
    'is out of reach with the flag %s, and nothing is said',
    async (_how, flag) => {
      for (const guard of ['set-v8-flag', 'require-v8-flag'] as const) {
        const end = await run(guard, [flag])
        expect(end).toEqual({ survived: true, output: 'value 2', errors: '' })
      }
    },
    60_000,
  )

  test(`${isAffected ? 'keeps' : 'does not keep'} Cedar from loading where the flag is required and absent`, async () => {
    for (const flags of [[], [FLAG, '--turbo-inline-js-wasm-calls']]) {
      const { survived, errors } = await run('require-v8-flag', flags)
      expect(survived).toBe(!isAffected)
      if (isAffected) expect(errors).toContain('invalid-option')
    }
  }, 60_000)
})
