import {
  readOption,
  asBoolean,
  refuse,
  checkEngineKeys,
  type EngineSettings,
} from '@fastify-spiffe/policy/engine-kit'
import type { EngineRequest } from '@fastify-spiffe/policy'
import { CRASH_GUARDS, type CrashGuard } from './crash-guard.ts'
import type { CedarEntity, CedarMapping, CedarRequest } from './request.ts'
import type { CedarText } from './source.ts'

/** Options of `cedar`. */
export interface CedarOptions extends EngineSettings {
  /** Policies as Cedar text, or the file that holds them. */
  readonly policies: CedarText
  /**
   * The schema as Cedar text, or the file that holds it. Policies are checked against it when they are loaded, and each
   * request before it is decided: one that does not fit is refused. Default: none.
   */
  readonly schema?: CedarText
  /**
   * Maps the request to the terms of the policies; members that it leaves out have their defaults. It may use nothing but
   * the request: the decision is cached under it.
   */
  readonly request?: (request: EngineRequest) => Partial<CedarRequest>
  /**
   * Entities in addition to the caller, such as its groups. An entity with the name of the principal replaces the caller.
   * It may use nothing but the request, and data for whose changes `policyVersion` has a new version. Default: none.
   */
  readonly entities?: (request: EngineRequest) => readonly CedarEntity[]
  /** Read files again when they change. Default `false`. */
  readonly watch?: boolean
  /** What is done about a defect of V8 before Node 24. Default `set-v8-flag`. */
  readonly v8CrashGuard?: CrashGuard
}

export const ENGINE = 'cedar'

const KEYS: readonly (keyof CedarOptions)[] = [
  'policies',
  'schema',
  'request',
  'entities',
  'watch',
  'v8CrashGuard',
]

export interface CedarOptionParts {
  readonly policies: CedarText
  readonly schema: CedarText | undefined
  readonly mapping: CedarMapping
  readonly watched: readonly string[]
  readonly v8CrashGuard: CrashGuard
}

/**
 * Returns the checked options, and those that any engine has.
 *
 * @throws {PolicyError} `unknown-option`, `invalid-option`
 */
export function readOptions(options: CedarOptions): readonly [CedarOptionParts, EngineSettings] {
  checkEngineKeys(ENGINE, options, KEYS)
  const { policies, schema, request, entities, watch, v8CrashGuard, ...settings } = options
  if (!isText(policies)) refuse(key('policies'), policies, 'must be Cedar text, or { file }')
  if (schema !== undefined && !isText(schema)) {
    refuse(key('schema'), schema, 'must be Cedar text, or { file }')
  }
  assertFunction('request', request)
  assertFunction('entities', entities)
  const isWatched = asBoolean(key('watch'), watch, false)
  const files = [policies, schema].flatMap((it) => (typeof it === 'object' ? [it.file] : []))
  if (isWatched && files.length === 0) refuse(key('watch'), watch, 'needs a file')
  const parts: CedarOptionParts = {
    policies,
    schema,
    mapping: { ...(request && { request }), ...(entities && { entities }) },
    watched: isWatched ? files : [],
    v8CrashGuard: readOption(
      key('v8CrashGuard'),
      v8CrashGuard,
      'set-v8-flag',
      (it) => CRASH_GUARDS.includes(it),
      `must be one of ${CRASH_GUARDS.join(', ')}`,
    ),
  }
  return [parts, settings]
}

function assertFunction(name: string, value: unknown): void {
  if (value !== undefined && typeof value !== 'function') {
    refuse(key(name), value, 'must be a function')
  }
}

function key(name: string): string {
  return `${ENGINE}.${name}`
}

function isText(value: unknown): value is CedarText {
  if (typeof value === 'string') return true
  if (typeof value !== 'object' || value === null) return false
  const [[name, file] = [], ...more] = Object.entries(value)
  return name === 'file' && typeof file === 'string' && file !== '' && more.length === 0
}
