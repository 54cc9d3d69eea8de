import { compileSource } from '../condition/sources.ts'
import type { Engine, EngineCost, EngineQuestion } from '../engine/engine.ts'
import {
  compileFreshness,
  compileReads,
  compileTimeout,
  type StepContext,
  type StepPlace,
} from './compile.ts'
import { evaluate } from './evaluate.ts'
import type { Freshness } from './freshness.ts'
import type { Step } from './step.ts'
import { engineVerdicts } from './verdicts.ts'

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
 * @throws {AuthzError} `invalid-rule`
 */
export function compileEngineUse(at: StepPlace, use: unknown, context: StepContext): Step {
  const { place, key } = at
  const given = typeof use === 'string' ? new Map([['engine', use]]) : place.members(key, use, KEYS)
  const { engine: name, ...options }: Record<string, unknown> = Object.fromEntries(given)
  const engine = findEngine(at, name, context)
  const { cost } = engine
  const reads = compileReads(at, options['reads'] ?? engine.reads ?? [], context)
  const timeoutMs = compileTimeout(at, options['timeoutMs'] ?? engine.timeoutMs ?? TIMEOUTS[cost])
  const verdicts = engineVerdicts(engine.name)
  // Every question tells the method, so every key has it.
  const others = reads.filter(({ name: read }) => read !== 'method')
  const sources = [compileSource({ ...at, tenantOf: context.tenantOf }, key, 'method'), ...others]
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
    sources,
    verdicts,
    maxAgeMs: compileFreshness(at, options['freshness'] ?? FRESHNESS[cost]),
    policyVersion: engine.policyVersion?.bind(engine) ?? null,
    ask: (spiffeId, attributes) => {
      const question = questionOf(spiffeId, attributes)
      return evaluate((deadline) => engine.decide(question, deadline), timeoutMs, verdicts)
    },
  }
}

type QuestionMaker = (...of: Parameters<Step['ask']>) => EngineQuestion

function findEngine({ place, key }: StepPlace, name: unknown, { engines }: StepContext): Engine {
  const engine = typeof name === 'string' ? engines.get(name) : undefined
  if (engine !== undefined) return engine
  const known = [...engines.keys()].join(', ') || 'none'
  return place.refuse(key, name, `is not among the option \`engines\`: ${known}`)
}
