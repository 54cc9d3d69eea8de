import { versionCounter } from '../version-counter.ts'
import { type Decision, isAnswer } from '../decision/decision.ts'
import { engineChannel, type EngineEvent } from './events.ts'
import { evaluate, isThenable } from '../decision/evaluate.ts'
import type { EngineOutcomes } from '../decision/outcomes.ts'
import { tenantKey } from '../principals/tenant.ts'
import { breakerDefaults, type BreakerState } from './breaker.ts'
import { Bulkhead } from './bulkhead.ts'
import type { Engine, EngineRequest } from './engine.ts'
import { type Outcome, TenantBreakers } from './tenant-breakers.ts'

/** Counts of the calls to one engine since the boot, and the state of its circuit breaker. */
export interface EngineStats {
  readonly engine: string
  /** `open`: it fails for all who ask. It may be closed to a single tenant although it is not open. */
  readonly breaker: BreakerState
  /** Questions under way, with those that missed their deadline and have not ended. */
  readonly inFlight: number
  readonly allowed: number
  readonly denied: number
  /** It threw, rejected, or said something that is neither `true` nor `false`. */
  readonly failed: number
  /** It missed its deadline. */
  readonly timedOut: number
  /** It missed its deadline while this process was busy, for which it is not blamed. */
  readonly lagged: number
  /** It was slower than `slowMs`. Its answer counts, and so does its slowness. */
  readonly slow: number
  /** It answered at once, but only after its `timeoutMs`, and held up everybody meanwhile. Its answer counts. */
  readonly overran: number
  /** It was not asked: the breaker of the tenant was open. */
  readonly unavailable: number
  /** It was not asked: `maxInFlight` questions were under way, or the share of the caller. */
  readonly busy: number
}

export interface GuardParts {
  /** Milliseconds that only go forward. */
  readonly clock: () => number
  readonly random: () => number
  /** Whether callers have tenants, who share what their trust domain may ask. Default `false`. */
  readonly hasTenants?: boolean
}

const MAX_IN_FLIGHT = 256
/** A timer that fires later than this says that the process was busy. */
const LAG_MS = 10

/**
 * Calls an engine, and protects it, its callers, and callers from one another: a limit of running
 * questions, which trust domains and tenants share, and a circuit breaker for each tenant.
 */
export class EngineGuard {
  readonly engine: Engine
  /** The number of the version of the engine's policies, which does not return when the version does; `null`: it names none. */
  readonly policyVersion: (() => number) | null
  readonly #clock: () => number
  readonly #breakers: TenantBreakers
  readonly #bulkhead: Bulkhead
  readonly #slowMs: number
  readonly #counts = {
    allowed: 0,
    denied: 0,
    failed: 0,
    timedOut: 0,
    lagged: 0,
    slow: 0,
    overran: 0,
    unavailable: 0,
    busy: 0,
  }

  constructor(engine: Engine, { clock, random, hasTenants = false }: GuardParts) {
    this.engine = engine
    const versionOf = engine.policyVersion?.bind(engine)
    this.policyVersion = versionOf === undefined ? null : versionCounter(versionOf)
    this.#clock = clock
    const maxInFlight = engine.maxInFlight ?? MAX_IN_FLIGHT
    this.#bulkhead = new Bulkhead({ maxInFlight, hasTenants })
    this.#slowMs = engine.slowMs ?? Infinity
    const options = { ...breakerDefaults, ...engine.breaker }
    const onChange = (state: BreakerState): void => this.#tell(state)
    this.#breakers = new TenantBreakers({ options, clock, random, onChange })
  }

  /** @param tenant - the key of the caller's tenant */
  query(
    question: EngineRequest,
    timeoutMs: number,
    outcomes: EngineOutcomes,
    tenant: string = keyOf(question),
  ): Decision | Promise<Decision> {
    if (!this.#bulkhead.admits(tenant)) {
      this.#counts.busy++
      return outcomes.busy
    }
    const noteOutcome = this.#breakers.admit(tenant)
    if (noteOutcome === null) {
      this.#counts.unavailable++
      return outcomes.unavailable
    }
    const startedAt = this.#clock()
    const answer = evaluate(
      (it) => this.#tracked(this.engine.decide(question, it), tenant),
      timeoutMs,
      outcomes,
    )
    const settle = (decision: Decision): Decision => {
      noteOutcome(this.#count(decision, this.#clock() - startedAt, timeoutMs))
      // Otherwise a version that is active now and gone before the next question would have no
      // number.
      this.policyVersion?.()
      return decision
    }
    return answer instanceof Promise ? answer.then(settle) : settle(answer)
  }

  stats(): EngineStats {
    const { name } = this.engine
    const [breaker, inFlight] = [this.#breakers.state, this.#bulkhead.inFlight]
    return Object.freeze({ engine: name, breaker, inFlight, ...this.#counts })
  }

  /** Under way is what has not ended, whether or not anybody waits for it still: it takes memory, and the engine's time. */
  #tracked(answer: unknown, tenant: string): unknown {
    if (!isThenable(answer)) return answer
    return Promise.resolve(answer).finally(this.#bulkhead.enter(tenant))
  }

  /** Returns what the answer says of the engine. */
  #count(decision: Decision, elapsedMs: number, timeoutMs: number): Outcome {
    if (isAnswer(decision)) {
      this.#counts[decision.allowed ? 'allowed' : 'denied']++
      // What is awaited is refused then: no deadline can interrupt what runs.
      if (elapsedMs > timeoutMs) this.#counts.overran++
      if (elapsedMs <= this.#slowMs) return 'succeeded'
      this.#counts.slow++
      return 'failed'
    }
    if (decision.reason !== 'engine-timeout') {
      this.#counts.failed++
      return 'failed'
    }
    // The answer may lie in the queue that the timer came late from.
    if (elapsedMs > timeoutMs + LAG_MS) {
      this.#counts.lagged++
      return 'unknown'
    }
    this.#counts.timedOut++
    return 'failed'
  }

  #tell(state: BreakerState): void {
    if (!engineChannel.hasSubscribers) return
    engineChannel.publish(Object.freeze<EngineEvent>({ engine: this.engine.name, breaker: state }))
  }
}

function keyOf({ spiffeId, tenant }: EngineRequest): string {
  return tenantKey(spiffeId.trustDomain, tenant?.name ?? '')
}
