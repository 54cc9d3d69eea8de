import { inspect } from 'node:util'
import { AuthzError } from '../errors.ts'
import type { Engine } from './engine.ts'

const NAME = /^[a-z][a-z0-9-]{0,62}$/
const COSTS: ReadonlySet<unknown> = new Set(['inline', 'cpu', 'io'])

/**
 * The option `engines`, by name.
 *
 * @throws {AuthzError} `invalid-option`
 */
export function readEngines(engines: unknown): ReadonlyMap<string, Engine> {
  if (!Array.isArray(engines)) return refuse('engines', engines, 'must be a list')
  const byName = new Map<string, Engine>()
  for (const [position, engine] of engines.entries()) {
    const key = `engines[${position}]`
    if (!isEngine(engine)) return refuse(key, engine, 'must be an engine: name, cost and decide()')
    if (!NAME.test(engine.name)) {
      return refuse(`${key}.name`, engine.name, 'must have lower-case letters, digits and hyphens')
    }
    if (byName.has(engine.name)) return refuse(`${key}.name`, engine.name, 'is taken already')
    byName.set(engine.name, engine)
  }
  return byName
}

function isEngine(value: unknown): value is Engine {
  if (typeof value !== 'object' || value === null) return false
  const { name, cost, decide }: Partial<Record<keyof Engine, unknown>> = value
  return typeof name === 'string' && COSTS.has(cost) && typeof decide === 'function'
}

function refuse(key: string, value: unknown, why: string): never {
  const shown = inspect(value, { depth: 0, maxStringLength: 200 })
  throw new AuthzError('invalid-option', `option ${key}: ${shown} ${why}`)
}
