import { isTimeout, refuse } from '../option-readers.ts'

import type { Engine } from './engine.ts'

const NAME = /^[a-z][a-z0-9-]{0,62}$/

type Check = readonly [key: string, isGood: (value: unknown) => boolean, why: string]

const isCount = (value: unknown): boolean =>
  typeof value === 'number' && Number.isInteger(value) && value > 0
const isShare = (value: unknown): boolean => typeof value === 'number' && value > 0 && value <= 1
const isFunction = (value: unknown): boolean => typeof value === 'function'
const isOneOf =
  (...values: readonly string[]) =>
  (value: unknown): boolean =>
    typeof value === 'string' && values.includes(value)

const REQUIRED: readonly Check[] = [
  ['name', isName, 'must have lower-case letters, digits and hyphens'],
  ['cost', isOneOf('inline', 'cpu', 'io'), 'must be inline, cpu or io'],
  ['decide', isFunction, 'must be a function'],
]
const OPTIONAL: readonly Check[] = [
  ['timeoutMs', isTimeout, 'must be milliseconds, more than 0'],
  ['slowMs', isTimeout, 'must be milliseconds, more than 0'],
  ['staleIfErrorMs', isTimeout, 'must be milliseconds, more than 0'],
  ['maxInFlight', isCount, 'must be a whole number, more than 0'],
  ['onError', isOneOf('deny', 'stale'), 'must be deny or stale'],
  ['policyVersion', isFunction, 'must be a function'],
  ['close', isFunction, 'must be a function'],
]
const BREAKER: readonly Check[] = [
  ['consecutiveFailures', isCount, 'must be a whole number, more than 0'],
  ['failureRate', isShare, 'must be more than 0, and 1 at most'],
  ['minimumCalls', isCount, 'must be a whole number, more than 0'],
  ['openMs', isTimeout, 'must be milliseconds, more than 0'],
]

/**
 * The option `engines`, by name.
 *
 * @throws {PolicyError} `invalid-option`
 */
export function readEngines(engines: unknown): ReadonlyMap<string, Engine> {
  if (!Array.isArray(engines)) return refuse('engines', engines, 'must be a list')
  const byName = new Map<string, Engine>()
  for (const [position, engine] of engines.entries()) {
    const key = `engines[${position}]`
    assertEngine(key, engine)
    if (byName.has(engine.name))
      return refuse(`${key}.name`, engine.name, 'is that of an engine before it')
    byName.set(engine.name, engine)
  }
  return byName
}

function assertEngine(key: string, value: unknown): asserts value is Engine {
  assertMembers(key, value, REQUIRED)
  assertMembers(key, value, OPTIONAL, true)
  const breaker: unknown = Reflect.get(value, 'breaker')
  if (breaker !== undefined) assertMembers(`${key}.breaker`, breaker, BREAKER, true)
}

/** An engine is often an instance of a class: what it has beside its members is its own affair. */
function assertMembers(
  key: string,
  value: unknown,
  checks: readonly Check[],
  isOptional = false,
): asserts value is object {
  if (typeof value !== 'object' || value === null) return refuse(key, value, 'must be an object')
  for (const [name, isGood, why] of checks) {
    const member: unknown = Reflect.get(value, name)
    if ((isOptional && member === undefined) || isGood(member)) continue
    refuse(`${key}.${name}`, member, why)
  }
}

function isName(value: unknown): boolean {
  return typeof value === 'string' && NAME.test(value)
}
