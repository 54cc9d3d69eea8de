import { types } from 'node:util'
import { describeCause, describeValue } from '@fastify-spiffe/spiffe/internal'
import { PolicyError } from '../errors.ts'

/** The property itself, never an inherited one; `undefined` when there is none, or nothing that could have one. */
export function ownProperty(value: unknown, key: string): unknown {
  if (typeof value !== 'object' || value === null || !Object.hasOwn(value, key)) return undefined
  return Reflect.get(value, key)
}

/** The error of an engine that answers, but not as its protocol has it. What it says may be anybody's data, and is not shown. */
export function invalidAnswer(engine: string, what: string, value: unknown): PolicyError {
  return new PolicyError(
    'invalid-answer',
    `${engine} answered with ${what}: ${describeValue(value)}`,
  )
}

/** The error of an engine that cannot be asked, or is gone before it has answered. */
export function unreachable(engine: string, cause: unknown): PolicyError {
  const isSafe = isOfSystem(cause)
  const message = `${engine} cannot be reached: ${isSafe ? cause.message.slice(0, 300) : describeCause(cause)}`
  return new PolicyError('engine-unreachable', message, isSafe ? { cause } : undefined)
}

/** Of a system call, or of one of our packages: these say addresses and SPIFFE IDs, and nothing that was sent. */
function isOfSystem(cause: unknown): cause is Error {
  if (!types.isNativeError(cause)) return false
  const code: unknown = Reflect.get(cause, 'code')
  return 'syscall' in cause || (typeof code === 'string' && /^[a-z]+(?:-[a-z]+)+$/.test(code))
}
