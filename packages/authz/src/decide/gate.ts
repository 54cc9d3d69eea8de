import type { FastifyRequest, onRequestHookHandler } from 'fastify'
import type { DecisionLog } from '../log/decision-log.ts'
import type { CompiledRule } from '../rule/compile.ts'
import type { RouteRules } from '../rule/route-rules.ts'
import type { RuleSet } from '../rule/rule-set.ts'
import type { Candidate } from '../shadow/candidate.ts'
import type { Tally } from '../shadow/tally.ts'
import type { SvidIndex } from '../tenant/svid-index.ts'
import { type Decider, expiryOf } from './decider.ts'
import { type Decision, deny, ruleFailure } from './decision.ts'
import { enforce, type Passage } from './enforce.ts'

/** What the gate decides with. */
export interface GateContext {
  /** The name of the hook, by which the router's printed tree shows it. */
  readonly name: string
  readonly rules: RouteRules
  readonly decider: Decider
  readonly candidate: Candidate
  readonly tally: Tally
  readonly lastDecisionHeader: string | null
  readonly mismatchStatus: 403 | 404
  readonly svids: SvidIndex
  readonly decisionLog: DecisionLog | null
  readonly clock: () => number
}

const EXPIRED = deny('identity-expired')
const OUTDATED = deny('decision-outdated')

/** The `onRequest` hook that every request of the instance passes. It answers at once unless a check has to be awaited. */
export class Gate {
  readonly hook: onRequestHookHandler
  readonly #context: GateContext

  constructor(context: GateContext) {
    this.#context = context
    this.hook = (request, reply, done) => this.#pass({ request, reply, done })
    Object.defineProperty(this.hook, 'name', { value: context.name })
  }

  #pass(passage: Passage): void {
    const { request } = passage
    const { rules, decider } = this.#context
    const { active } = rules
    const rule = rules.of(request, active)
    const decision = decider.decide(request, rule)
    if (decision instanceof Promise) {
      this.#await(passage, rule, active, decision).catch((error: unknown) =>
        this.#enforce(passage, null, ruleFailure(error)),
      )
    } else {
      this.#enforce(passage, rule, decision)
    }
  }

  /** A request whose rules were replaced while it waited is decided once more, by the new ones. */
  async #await(
    passage: Passage,
    rule: CompiledRule | null,
    former: RuleSet,
    outcome: Promise<Decision>,
  ): Promise<void> {
    const { request } = passage
    const { rules, decider } = this.#context
    const decision = await outcome
    const { active } = rules
    if (active === former) {
      return this.#enforce(passage, rule, this.#unlessExpired(request, decision))
    }
    const newRule = rules.of(request, active)
    const again = await decider.decide(request, newRule)
    const settled = rules.active === active ? this.#unlessExpired(request, again) : OUTDATED
    this.#enforce(passage, newRule, settled)
  }

  #enforce(passage: Passage, rule: CompiledRule | null, decision: Decision): void {
    const { rules, candidate, tally, svids, decisionLog, lastDecisionHeader, mismatchStatus } =
      this.#context
    const { request } = passage
    const isShadow = rule?.mode === 'shadow'
    if (isShadow) tally.count(request, { enforced: true, considered: decision.allowed })
    if (decision.allowed && request.peer) svids.note(request.peer)
    candidate.compare(request, decision.allowed || isShadow)
    const policyVersion = rules.active.version
    decisionLog?.record(request, decision, { policyVersion, isShadow })
    enforce(passage, decision, { policyVersion, isShadow, lastDecisionHeader, mismatchStatus })
  }

  /** Time has passed while a check ran. */
  #unlessExpired(request: FastifyRequest, decision: Decision): Decision {
    // Written so that a clock which gives NaN refuses.
    const isCurrent = this.#context.clock() < expiryOf(request.peer)
    return decision.allowed && !isCurrent ? EXPIRED : decision
  }
}
