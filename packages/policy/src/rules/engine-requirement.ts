import { AdaptiveBypass, type OnBypass } from '../cache/adaptive-bypass.ts'
import { attributesView } from '../attributes/attributes.ts'
import { compileSource } from '../attributes/sources.ts'
import type { Engine, EngineCost, EngineRequest } from '../engines/engine.ts'
import type { EngineGuard } from '../engines/guard.ts'
import {
  compileMaxAge,
  compileReads,
  compileTimeout,
  providersOf,
  type RequirementContext,
  requirementMembers,
  type RequirementLocation,
} from './requirement-options.ts'
import { compose } from './compose.ts'
import type { Requirement, RequirementQuery } from './requirement.ts'
import { engineOutcomes, type EngineOutcomes, type StaleOutcomes } from '../decision/outcomes.ts'

const KEYS = ['engine', 'reads', 'maxAgeMs', 'timeoutMs'] as const

/** Deadlines in milliseconds, for engines and rules that name none. */
const TIMEOUTS: Readonly<Record<EngineCost, number>> = { inline: 2, cpu: 2, io: 200 }

/**
 * Compiles one use of an engine: its name, or an object with the key `engine`.
 *
 * @throws {PolicyError} `invalid-rule`
 */
export function compileEngineUse(
  at: RequirementLocation,
  use: unknown,
  context: RequirementContext,
): Requirement {
  const { place, key } = at
  const given =
    typeof use === 'string' ? new Map([['engine', use]]) : requirementMembers(at, use, KEYS)
  const { engine: name, ...options }: Record<string, unknown> = Object.fromEntries(given)
  const guard = findEngine(at, name, context)
  const { engine, policyVersion } = guard
  const { cost } = engine
  const reads = compileReads(at, options['reads'] ?? engine.reads ?? [], context)
  const timeoutMs = compileTimeout(at, options['timeoutMs'] ?? engine.timeoutMs ?? TIMEOUTS[cost])
  const outcomes = engineOutcomes(engine.name)
  // Every question contains the method, so every key does.
  const others = reads.filter(({ name: read }) => read !== 'method')
  const sources = [compileSource({ ...context, ...at }, key, 'method'), ...others]
  const parts = {
    index: context.nextIndex(),
    engine: engine.name,
    text: null,
    sources,
    providers: providersOf(sources),
    outcomes,
    maxAgeMs: compileMaxAge(at, options['maxAgeMs'] ?? defaultMaxAge(cost)),
    bypass: bypassOf(engine, options['maxAgeMs'], (hitRate, tenant) =>
      context.onBypass(engine.name, place.url, { hitRate, tenant }),
    ),
    policyVersion,
    isMetered: cost !== 'inline',
    stale: staleOutcomesOf(engine, outcomes),
    varies: policyVersion !== null || sources.some(({ varies }) => varies),
    ask: ({ tenant, subject, caller: { spiffeId }, values }: RequirementQuery) => {
      const attributes = attributesView(sources, values)
      const question: EngineRequest = Object.freeze({
        spiffeId,
        tenant: context.tenantOf?.(subject) ?? null,
        method: attributes.method,
        route: place.url,
        attributes,
      })
      return guard.query(question, timeoutMs, outcomes, tenant)
    },
  }
  return compose(parts, context)
}

/** What costs less than a lookup is not cached. */
function defaultMaxAge(cost: EngineCost): number | undefined {
  return cost === 'inline' ? 0 : undefined
}

/** An engine that costs little more than a lookup is cached while that pays, unless the rule sets the age itself. */
function bypassOf({ cost }: Engine, maxAgeMs: unknown, onBypass: OnBypass): AdaptiveBypass | null {
  return cost === 'cpu' && maxAgeMs === undefined ? new AdaptiveBypass(onBypass) : null
}

function staleOutcomesOf(
  { onError, staleIfErrorMs = 60_000 }: Engine,
  { allowedStale, refusedStale }: EngineOutcomes,
): StaleOutcomes | null {
  if (onError !== 'stale') return null
  return { ms: staleIfErrorMs, allowed: allowedStale, refused: refusedStale }
}

function findEngine(
  { place, key }: RequirementLocation,
  name: unknown,
  { engines }: RequirementContext,
): EngineGuard {
  const engine = typeof name === 'string' ? engines.get(name) : undefined
  if (engine !== undefined) return engine
  const known = [...engines.keys()].join(', ') || 'none'
  return place.refuse(key, name, `is not among the option \`engines\`: ${known}`)
}
