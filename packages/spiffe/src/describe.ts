import { types } from 'node:util'
import { SpiffeError } from './errors.ts'

/** Longer than the name of any option, and shorter than most secrets. */
const MAX_NAME = 40
const NAME = /^[A-Za-z_$][\w$.-]*$/
/** How Node and the system name their errors: `ENOENT`, `ERR_INVALID_URL`. */
const SYSTEM_CODE = /^[A-Z][A-Z0-9_]{1,60}$/

/**
 * Describes a value that was found in place of a valid one: a number or a boolean by itself, anything else by its type.
 * A mistaken option may be a key, a token or a password, and errors reach the logs.
 */
export function describeValue(value: unknown): string {
  if (value === '') return 'an empty string'
  if (typeof value === 'object' && value !== null) return describeObject(value)
  const shows = value === null || ['undefined', 'boolean', 'number'].includes(typeof value)
  return shows ? String(value) : `a ${typeof value}`
}

/** The name of an option or of a member. A string that is hardly a name is described by its length. */
export function describeName(name: string): string {
  return isName(name) ? name : `(${name.length} characters)`
}

/**
 * Describes why something failed: the message of a {@link SpiffeError}, else the code of Node or of the system, else the
 * class of the error. Messages and properties of other errors may quote their input, as `new URL()` and `JSON.parse()` do.
 */
export function describeCause(cause: unknown): string {
  if (cause instanceof SpiffeError) return cause.message
  if (!(cause instanceof Error || types.isNativeError(cause))) return 'an unknown error'
  const code: unknown = Reflect.get(cause, 'code')
  if (typeof code === 'string' && SYSTEM_CODE.test(code)) return code
  const { name } = cause
  return typeof name === 'string' && isName(name) ? name : 'an error'
}

function describeObject(value: object): string {
  // A proxy runs foreign code, and may throw.
  if (types.isProxy(value)) return 'an object'
  if (Array.isArray(value)) return value.length === 0 ? 'an empty list' : 'a list'
  if (types.isPromise(value)) return 'a promise (await it)'
  const name = classOf(value)
  return name === undefined || name === 'Object' ? 'an object' : `an object of class ${name}`
}

function classOf(value: object): string | undefined {
  const type = ownValue(Object.getPrototypeOf(value), 'constructor')
  const name = ownValue(type, 'name')
  return typeof name === 'string' && isName(name) ? name : undefined
}

/** The value of a property, read without running a getter. */
function ownValue(holder: unknown, key: string): unknown {
  const isHolder = typeof holder === 'function' || (typeof holder === 'object' && holder !== null)
  if (!isHolder || types.isProxy(holder)) return undefined
  return Object.getOwnPropertyDescriptor(holder, key)?.value
}

function isName(text: string): boolean {
  return text.length <= MAX_NAME && NAME.test(text)
}
