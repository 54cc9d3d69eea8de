import { inspect } from 'node:util'
import { AuthzError } from '../../errors.ts'

/** The property itself, never an inherited one; `undefined` when there is none, or nothing that could have one. */
export function ownProperty(value: unknown, key: string): unknown {
  if (typeof value !== 'object' || value === null || !Object.hasOwn(value, key)) return undefined
  return Reflect.get(value, key)
}

/** The error of an engine that answers, but not as its protocol has it. */
export function invalidAnswer(engine: string, what: string, value: unknown): AuthzError {
  const shown = inspect(value, { depth: 1, maxStringLength: 100, maxArrayLength: 5 })
  return new AuthzError('invalid-answer', `${engine} answered with ${what}: ${shown.slice(0, 300)}`)
}

/** The error of an engine that cannot be asked, or is gone before it has answered. */
export function unreachable(engine: string, cause: unknown): AuthzError {
  const why = cause instanceof Error ? cause.message : String(cause)
  const message = `${engine} cannot be reached: ${why.slice(0, 300)}`
  return new AuthzError('engine-unreachable', message, { cause })
}
