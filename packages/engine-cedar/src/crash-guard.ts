import { setFlagsFromString } from 'node:v8'
import { PolicyError } from '@fastify-spiffe/policy/engine-kit'

/**
 * What is done about a defect of V8 before Node 24: compiled code that calls WebAssembly, as Cedar is called, can end the
 * whole process ("unreachable code" in the deoptimizer), and steady traffic is all it takes.
 *
 * - `set-v8-flag` sets the V8 flag `--no-turbo-inline-js-wasm-calls` in this process, and warns that it did;
 * - `require-v8-flag` refuses to load unless the process was started with the flag;
 * - `risk-process-crash` does nothing, and **gives up that the process stays up**.
 *
 * Node 24 and later need nothing.
 */
export type CrashGuard = 'set-v8-flag' | 'require-v8-flag' | 'risk-process-crash'

export const CRASH_GUARDS: readonly CrashGuard[] = [
  'set-v8-flag',
  'require-v8-flag',
  'risk-process-crash',
]

const FLAG = '--no-turbo-inline-js-wasm-calls'
const FIRST_SAFE_NODE = 24

let isSet = false

/**
 * Called before the first use of Cedar: what V8 has compiled by then stays as it is.
 *
 * @throws {PolicyError} `invalid-option`
 */
export function guardAgainstCrash(guard: CrashGuard, key: string): void {
  const isSafe = Number.parseInt(process.versions.node, 10) >= FIRST_SAFE_NODE
  if (isSafe || guard === 'risk-process-crash' || isSet || isOnCommandLine()) return
  if (guard === 'require-v8-flag') {
    const message = `option ${key}: this is Node ${process.versions.node}: start it with ${FLAG}`
    throw new PolicyError('invalid-option', message)
  }
  setFlagsFromString(FLAG)
  isSet = true
  const message = `the V8 flag ${FLAG} is set for this process, since Cedar could end it without`
  process.emitWarning(message, { code: 'SPIFFE_AUTHZ_V8_FLAG' })
}

/** V8 takes underscores as well, and the last word counts. Node does not take the flag from `NODE_OPTIONS`. */
function isOnCommandLine(): boolean {
  const flags = process.execArgv.map((it) => `--${it.slice(2).replaceAll('_', '-')}`)
  return flags.findLast((it) => it === FLAG || it === FLAG.replace('--no-', '--')) === FLAG
}
