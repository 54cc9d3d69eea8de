import {
  readOption,
  asBoolean,
  asFunction,
  refuse,
  inputOf,
  checkEngineKeys,
  type EngineSettings,
} from '@fastify-spiffe/policy/engine-kit'
import type { EngineRequest } from '@fastify-spiffe/policy'
import type { Builtins } from './module.ts'
import type { WasmLocation } from './source.ts'

/** Options of `opaWasm`. */
export interface OpaWasmOptions extends EngineSettings {
  /** Where the compiled Rego is. */
  readonly wasm: WasmLocation
  /** The rule that decides, as it was given to `opa build -e`: `orders/allow`. Default: the only one that was. */
  readonly entrypoint?: string
  /**
   * The document `data`, instead of the one beside the compiled Rego. Default: the one beside the
   * compiled Rego.
   */
  readonly data?: Readonly<Record<string, unknown>>
  /**
   * Makes the document `input` of a request, an object. It may use nothing but the request: the decision is cached under it.
   * Default: {@link OpaInput}.
   */
  readonly input?: (request: EngineRequest) => unknown
  /**
   * Built-in functions that WebAssembly lacks, by name, such as `net.lookup_ip_addr`. They are
   * synchronous. Default: none.
   */
  readonly builtins?: Builtins
  /** Read files again when they change. Default `false`. */
  readonly watch?: boolean
  /** The maximum length of a file, and of an unpacked bundle, in bytes. Default 16 MiB. */
  readonly maxBundleBytes?: number
  /** The memory limit of policies, data and one evaluation together, in bytes. Default 256 MiB. */
  readonly maxMemoryBytes?: number
}

export const ENGINE = 'opa-wasm'

const KEYS: readonly (keyof OpaWasmOptions)[] = [
  'wasm',
  'entrypoint',
  'data',
  'input',
  'builtins',
  'watch',
  'maxBundleBytes',
  'maxMemoryBytes',
]
const MIB = 1024 * 1024
/** WebAssembly has no more addresses. */
const MAX_BYTES = 4096 * MIB

export interface OpaWasmParts {
  readonly location: WasmLocation
  readonly watch: boolean
  readonly toInput: (request: EngineRequest) => unknown
  readonly maxBundleBytes: number
  readonly module: {
    readonly entrypoint: string | undefined
    readonly data: string | null
    readonly builtins: Builtins
    readonly maxMemoryBytes: number
  }
}

/**
 * Returns the checked options, and those that any engine has.
 *
 * @throws {PolicyError} `unknown-option`, `invalid-option`
 */
export function readOptions(options: OpaWasmOptions): readonly [OpaWasmParts, EngineSettings] {
  checkEngineKeys(ENGINE, options, KEYS)
  const {
    wasm,
    entrypoint,
    data,
    input,
    builtins,
    watch,
    maxBundleBytes,
    maxMemoryBytes,
    ...settings
  } = options
  const location = readLocation(wasm)
  const isWatched = asBoolean(key('watch'), watch, false)
  if (isWatched && 'bytes' in location) refuse(key('watch'), watch, 'needs a file or a directory')
  if (entrypoint !== undefined && !isText(entrypoint)) {
    refuse(key('entrypoint'), entrypoint, 'must be the path of a rule, such as orders/allow')
  }
  const parts: OpaWasmParts = {
    location,
    watch: isWatched,
    toInput: asFunction(key('input'), input, inputOf),
    maxBundleBytes: size('maxBundleBytes', maxBundleBytes, 16 * MIB),
    module: {
      entrypoint,
      data: data === undefined ? null : readData(data),
      builtins: readOption(
        key('builtins'),
        builtins,
        {},
        areFunctions,
        'must be functions by name',
      ),
      maxMemoryBytes: size('maxMemoryBytes', maxMemoryBytes, 256 * MIB),
    },
  }
  return [parts, settings]
}

function readLocation(wasm: unknown): WasmLocation {
  const [member, ...more] = typeof wasm === 'object' && wasm !== null ? Object.entries(wasm) : []
  const location = member === undefined || more.length > 0 ? null : locationBy(...member)
  return location ?? refuse(key('wasm'), wasm, 'must be { file }, { directory } or { bytes }')
}

function locationBy(name: string, value: unknown): WasmLocation | null {
  if (name === 'bytes' && value instanceof Uint8Array) return { bytes: value }
  if (name === 'file' && isText(value)) return { file: value }
  return name === 'directory' && isText(value) ? { directory: value } : null
}

function readData(data: unknown): string {
  const isDocument = typeof data === 'object' && data !== null && !Array.isArray(data)
  return isDocument ? JSON.stringify(data) : refuse(key('data'), data, 'must be an object')
}

function size(name: string, value: number | undefined, defaultValue: number): number {
  const isSize = (it: number): boolean => Number.isInteger(it) && it > 0 && it <= MAX_BYTES
  return readOption(key(name), value, defaultValue, isSize, `must be bytes, from 1 to ${MAX_BYTES}`)
}

function key(name: string): string {
  return `${ENGINE}.${name}`
}

function areFunctions(value: unknown): boolean {
  if (typeof value !== 'object' || value === null) return false
  return Object.values(value).every((it) => typeof it === 'function')
}

function isText(value: unknown): value is string {
  return typeof value === 'string' && value !== ''
}
