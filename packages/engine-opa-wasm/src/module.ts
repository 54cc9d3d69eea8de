import { loadPolicy } from '@open-policy-agent/opa-wasm'
import { parseJson } from '@fastify-spiffe/spiffe/internal'
import { evaluationFault, invalidAnswer, ownProperty } from '@fastify-spiffe/policy/engine-kit'
import type { WasmSource } from './source.ts'

/**
 * Replacements of built-in functions that the interpreter does not have, by their names in Rego.
 */
export type Builtins = Readonly<Record<string, (...args: unknown[]) => unknown>>

export interface ModuleOptions {
  readonly engine: string
  readonly entrypoint: string | undefined
  /** The document `data` as JSON; `null` for that of the source. */
  readonly data: string | null
  readonly builtins: Builtins
  readonly maxMemoryBytes: number
}

/** What is used of `WebAssembly`, whose types come with those of browsers. */
declare const WebAssembly: {
  compile(bytes: Uint8Array): Promise<object>
  readonly Module: { exports(module: object): readonly { readonly name: string }[] }
}

/** What is used of the interpreter, whose own types need those of browsers. */
interface LoadedPolicy {
  readonly entrypoints: unknown
  evaluate(input: object, entrypoint: number): unknown
  setData(data: ArrayBuffer | object): void
}

const PAGE_BYTES = 65_536
/** OPA, "Wasm: ABI versions": 1.2 brought `opa_eval`, which takes back all memory of the evaluation before. */
const ABI = ['opa_wasm_abi_version', 'opa_eval', 'builtins', 'entrypoints', 'opa_heap_ptr_set']

/** Rego that is ready to be asked. Evaluations are synchronous, so none ever sees the memory of another. */
export class RegoModule {
  readonly #engine: string
  readonly #policy: LoadedPolicy
  readonly #entrypoint: number

  private constructor(engine: string, policy: LoadedPolicy, entrypoint: number) {
    this.#engine = engine
    this.#policy = policy
    this.#entrypoint = entrypoint
  }

  /** @throws whatever is wrong with it */
  static async load(source: WasmSource, options: ModuleOptions): Promise<RegoModule> {
    const module = await WebAssembly.compile(source.wasm)
    const names = new Set(WebAssembly.Module.exports(module).map(({ name }) => name))
    const lacking = ABI.find((name) => !names.has(name))
    if (lacking !== undefined) throw new TypeError(`not Rego compiled by OPA: no ${lacking}`)
    const maximum = Math.floor(options.maxMemoryBytes / PAGE_BYTES)
    // Whatever the module writes into its memory when it starts is in its file.
    const initial = Math.min(maximum, 5 + Math.ceil(source.wasm.length / PAGE_BYTES))
    const memory = { initial, maximum }
    const policy: LoadedPolicy = await loadPolicy(module, memory, options.builtins)
    const entrypoint = findEntrypoint(policy.entrypoints, options.entrypoint)
    const data = options.data ?? source.data
    if (data !== null) policy.setData(documentOf(data))
    return new RegoModule(options.engine, policy, entrypoint)
  }

  /**
   * `true` for the result `true`; `false` for `false`, and for a rule that is undefined for the input.
   *
   * @throws {PolicyError} `invalid-answer` for any other result, and for an evaluation that fails
   */
  query(input: unknown): boolean {
    // The interpreter takes what is falsy for no input at all, under which rules mean something else.
    if (typeof input !== 'object' || input === null) {
      throw invalidAnswer(this.#engine, 'an input that is not an object', input)
    }
    const results = this.#evaluate(input)
    if (Array.isArray(results) && results.length === 0) return false
    const [only, ...more]: readonly unknown[] = Array.isArray(results) ? results : [null, null]
    const result: unknown = ownProperty(only, 'result')
    if (more.length === 0 && typeof result === 'boolean') return result
    throw invalidAnswer(this.#engine, 'no boolean', results)
  }

  #evaluate(input: object): unknown {
    try {
      return this.#policy.evaluate(input, this.#entrypoint)
    } catch (cause) {
      throw evaluationFault(this.#engine, cause)
    }
  }
}

function findEntrypoint(entrypoints: unknown, name: string | undefined): number {
  const known = new Map<string, unknown>(Object.entries(Object(entrypoints)))
  const names = [...known.keys()]
  if (name === undefined && names.length !== 1) {
    throw new RangeError(`option entrypoint must say one of ${names.join(', ')}`)
  }
  const entrypoint = known.get(name ?? names[0] ?? '')
  if (typeof entrypoint === 'number') return entrypoint
  throw new RangeError(`it has no such entrypoint, only ${names.join(', ')}`)
}

/** As text, so that no number loses digits on the way. */
function documentOf(json: string): ArrayBuffer {
  const document: unknown = parseJson(json, { maxLength: Infinity })
  if (typeof document !== 'object' || document === null || Array.isArray(document)) {
    throw new TypeError('the document data must be an object')
  }
  const bytes = new TextEncoder().encode(json)
  return bytes.buffer
}
