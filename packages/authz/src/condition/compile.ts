import type { SpiffeIdMatcher } from '@fastify-spiffe/spiffe'
import type { Place } from '../rule/place.ts'
import type { TenantResolver } from '../tenant.ts'
import type { Condition } from './condition.ts'
import { type AttributeSource, compileSource } from './sources.ts'

/** A condition as requests meet it. */
export interface CompiledCondition {
  readonly sources: readonly AttributeSource[]
  readonly check: Condition['check']
  readonly cache: boolean
  readonly timeoutMs: number
}

/** What conditions are compiled with, besides themselves. */
export interface ConditionContext {
  /** `null` when the plugin has no tenant template. */
  readonly tenantOf: TenantResolver | null
  /** The deadline of a check that names none, in milliseconds. */
  readonly timeoutMs: number
}

const KEYS = ['reads', 'check', 'cache', 'timeoutMs'] as const
/** The longest delay of a Node timer; a longer one fires at once. */
const MAX_TIMEOUT_MS = 2 ** 31 - 1

/**
 * Compiles `when`.
 *
 * @throws {AuthzError} `invalid-rule`
 */
export function compileCondition(
  place: Place,
  condition: unknown,
  allow: readonly SpiffeIdMatcher[] | null,
  context: ConditionContext,
): CompiledCondition {
  const key = `${place.root}.when`
  const given = place.members(key, condition, KEYS)
  const { reads, check, cache = true, timeoutMs = context.timeoutMs } = Object.fromEntries(given)

  if (!Array.isArray(reads)) return place.refuse(`${key}.reads`, reads, 'must be a list')
  const sources = reads.map((name, position) =>
    compileSource({ place, allow, tenantOf: context.tenantOf }, `${key}.reads[${position}]`, name),
  )
  if (new Set(reads).size < reads.length) {
    return place.refuse(`${key}.reads`, reads, 'names an attribute twice')
  }
  if (!isCheck(check)) return place.refuse(`${key}.check`, check, 'must be a function')
  if (typeof cache !== 'boolean') return place.refuse(`${key}.cache`, cache, 'must be a boolean')
  if (!isTimeout(timeoutMs)) {
    return place.refuse(`${key}.timeoutMs`, timeoutMs, 'must be milliseconds, more than 0')
  }
  return { sources, check, cache, timeoutMs }
}

function isCheck(check: unknown): check is Condition['check'] {
  return typeof check === 'function'
}

/** Whether this can be a deadline in milliseconds. */
export function isTimeout(value: unknown): value is number {
  return typeof value === 'number' && value > 0 && value <= MAX_TIMEOUT_MS
}
