import type { SpiffeIdMatcher } from '@fastify-spiffe/spiffe'
import {
  compileSource,
  type AttributeContext,
  type AttributeSource,
} from '../attributes/sources.ts'
import type { AttributeProvider } from '../attributes/provider.ts'
import type { EngineGuard } from '../engines/guard.ts'
import type { RuleLocation } from '../location.ts'
import type { CompositionContext } from './compose.ts'
import { isTimeout } from '../option-readers.ts'

/** What the requirements of a rule are compiled with, besides themselves. */
export interface RequirementContext extends AttributeContext, CompositionContext {
  readonly engines: ReadonlyMap<string, EngineGuard>
  /** The deadline of a check that names none, in milliseconds. */
  readonly timeoutMs: number
  /** Told when the cache of an engine on a route is bypassed for a tenant. */
  readonly onBypass: (engine: string, route: string, bypass: Bypass) => void
  /** A number that no other requirement has. */
  readonly nextIndex: () => number
}

/** The tenant for which a cache is bypassed, and why. */
export interface Bypass {
  /** The key of the tenant. */
  readonly tenant: string
  /** The share of answers that came from the cache. */
  readonly hitRate: number
}

/** The rule that a requirement belongs to. */
export interface RequirementLocation {
  readonly place: RuleLocation
  /** The key under which the requirement stands. */
  readonly key: string
  /** The patterns and matchers of `allow`, for what they capture; `null` where any identity may call. */
  readonly allow: readonly SpiffeIdMatcher[] | null
}

/** The providers that have to be asked before the sources can be read. */
export function providersOf(sources: readonly AttributeSource[]): readonly AttributeProvider[] {
  const providers = sources.flatMap(({ provider }) => provider ?? [])
  return [...new Set(providers)]
}

/**
 * Compiles `reads`.
 *
 * @throws {PolicyError} `invalid-rule`
 */
export function compileReads(
  { place, key, allow }: RequirementLocation,
  reads: unknown,
  context: RequirementContext,
): readonly AttributeSource[] {
  if (!Array.isArray(reads)) return place.refuse(`${key}.reads`, reads, 'must be a list')
  const sources = reads.map((name, position) =>
    compileSource({ ...context, place, allow }, `${key}.reads[${position}]`, name),
  )
  if (new Set(reads).size < reads.length) {
    return place.refuse(`${key}.reads`, reads, 'names an attribute twice')
  }
  return sources
}

/**
 * The members of a requirement. A document can write `null`, which does not leave one out.
 *
 * @throws {PolicyError} `invalid-rule`
 */
export function requirementMembers(
  { place, key }: RequirementLocation,
  value: unknown,
  names: readonly string[],
): ReadonlyMap<string, unknown> {
  const members = place.members(key, value, names)
  for (const [name, member] of members) {
    if (member === null) place.refuse(`${key}.${name}`, member, 'must not be null')
  }
  return members
}

/**
 * @returns `Infinity` where nothing is given: the TTL of the cache bounds it
 * @throws {PolicyError} `invalid-rule`
 */
export function compileMaxAge({ place, key }: RequirementLocation, maxAgeMs: unknown): number {
  if (maxAgeMs === undefined) return Infinity
  if (maxAgeMs === 0 || isTimeout(maxAgeMs)) return maxAgeMs
  return place.refuse(`${key}.maxAgeMs`, maxAgeMs, 'must be milliseconds, 0 or more')
}

/** @throws {PolicyError} `invalid-rule` */
export function compileTimeout({ place, key }: RequirementLocation, timeoutMs: unknown): number {
  if (isTimeout(timeoutMs)) return timeoutMs
  return place.refuse(`${key}.timeoutMs`, timeoutMs, 'must be milliseconds, more than 0')
}
