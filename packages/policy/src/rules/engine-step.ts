import type { SpiffeId } from '@fastify-spiffe/spiffe'
import { AdaptiveBypass, type OnBypass } from '../cache/adaptive-bypass.ts'
import type { Attributes } from '../attributes/attributes.ts'
import { compileSource } from '../attributes/sources.ts'
import type { Engine, EngineCost, EngineRequest } from '../engines/engine.ts'
import type { EngineGuard } from '../engines/guard.ts'
import {
  compileFreshness,
  compileReads,
  compileTimeout,
  providersOf,
  type StepContext,
  stepMembers,
  type StepPlace,
} from './step-options.ts'
import type { Freshness } from '../attributes/freshness.ts'
import type { Step } from './step.ts'
import { engineVerdicts, type EngineVerdicts, type StandIn } from '../decision/outcomes.ts'

const KEYS = ['engine', 'reads', 'freshness', 'timeoutMs'] as const

/** Deadlines in milliseconds, for engines and rules that name none. */
const TIMEOUTS: Readonly<Record<EngineCost, number>> = { inline: 2, cpu: 2, io: 200 }
/** What costs less than a look-up is not remembered. */
const FRESHNESS: Readonly<Record<EngineCost, Freshness>> = {
  inline: 'always',
  cpu: 'cached',
  io: 'cached',
}

/**
 * Compiles one use of an engine: its name, or an object with the key `engine`.
 *
 * @throws {PolicyError} `invalid-rule`
 */
export function compileEngineUse(at: StepPlace, use: unknown, context: StepContext): Step {
  const { place, key } = at
  const given = typeof use === 'string' ? new Map([['engine', use]]) : stepMembers(at, use, KEYS)
  const { engine: name, ...options }: Record<string, unknown> = Object.fromEntries(given)
  const guard = findEngine(at, name, context)
  const { engine, policyVersion } = guard
  const { cost } = engine
  const reads = compileReads(at, options['reads'] ?? engine.reads ?? [], context)
  const timeoutMs = compileTimeout(at, options['timeoutMs'] ?? engine.timeoutMs ?? TIMEOUTS[cost])
  const verdicts = engineVerdicts(engine.name)
  // Every question tells the method, so every key has it.
  const others = reads.filter(({ name: read }) => read !== 'method')
  const sources = [compileSource({ ...context, ...at }, key, 'method'), ...others]
  const questionOf: QuestionMaker = (spiffeId, attributes) =>
    Object.freeze({
      spiffeId,
      tenant: context.tenantOf?.(spiffeId) ?? null,
      method: attributes.method,
      route: place.url,
      attributes,
    })
  return {
    index: context.nextIndex(),
    engine: engine.name,
    text: null,
    sources,
    providers: providersOf(sources),
    verdicts,
    maxAgeMs: compileFreshness(at, options['freshness'] ?? FRESHNESS[cost]),
    bypass: bypassOf(engine, options['freshness'], (hitRate, tenant) =>
      context.onBypass(engine.name, place.url, { hitRate, tenant }),
    ),
    policyVersion,
    isMetered: cost !== 'inline',
    standIn: standInOf(engine, verdicts),
    varies: policyVersion !== null || sources.some(({ varies }) => varies),
    ask: (spiffeId, attributes, tenant) => {
      const question = questionOf(spiffeId, attributes)
      return guard.query(question, timeoutMs, verdicts, tenant)
    },
  }
}

/** Where the rule does not say how fresh an answer must be, experience does: of engines that cost little more than a look-up. */
function bypassOf({ cost }: Engine, freshness: unknown, onBypass: OnBypass): AdaptiveBypass | null {
  return cost === 'cpu' && freshness === undefined ? new AdaptiveBypass(onBypass) : null
}

type QuestionMaker = (spiffeId: SpiffeId, attributes: Attributes) => EngineRequest

function standInOf(
  { onError, lastDecisionMs = 60_000 }: Engine,
  { allowedLast, refusedLast }: EngineVerdicts,
): StandIn | null {
  if (onError !== 'last-decision') return null
  return { ms: lastDecisionMs, allowed: allowedLast, refused: refusedLast }
}

function findEngine(
  { place, key }: StepPlace,
  name: unknown,
  { engines }: StepContext,
): EngineGuard {
  const engine = typeof name === 'string' ? engines.get(name) : undefined
  if (engine !== undefined) return engine
  const known = [...engines.keys()].join(', ') || 'none'
  return place.refuse(key, name, `is not among the option \`engines\`: ${known}`)
}
