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
import { enforce, type Enforcement, type Passage } from './enforce.ts'

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

/** A decision, and by what it was made. */
interface Verdict {
  readonly rules: RuleSet
  /** `null`: there is none. */
  readonly rule: CompiledRule | null
  readonly decision: Decision
}

const EXPIRED = deny('identity-expired')
const OUTDATED = deny('decision-outdated')
const NO_RULE = deny('no-rule')
const NOT_FOUND = deny('not-found')

/** The `onRequest` hook that every request of the instance passes. It answers at once unless a check has to be awaited. */
export class Gate {
  readonly hook: onRequestHookHandler
  readonly #context: GateContext

  constructor(context: GateContext) {
    this.#context = context
    this.hook = (request, reply, done) => this.#pass({ request, reply, done })
    Object.defineProperty(this.hook, 'name', { value: context.name })
  }

  /** Refuses a request that no rule can be for. */
  refuse(passage: Passage): void {
    const decision = passage.request.is404 ? NOT_FOUND : NO_RULE
    this.#enforce(passage, { rules: this.#context.rules.active, rule: null, decision })
  }

  #pass(passage: Passage): void {
    const verdict = this.#judge(passage.request)
    if (verdict instanceof Promise) void this.#passLater(passage, verdict)
    else this.#enforce(passage, verdict)
  }

  async #passLater(passage: Passage, pending: Promise<Verdict>): Promise<void> {
    let verdict = await pending
    // Its rules were replaced while it waited: the new ones decide.
    if (!this.#isInForce(verdict)) verdict = await this.#judge(passage.request)
    this.#enforceLate(passage, verdict)
  }

  #judge(request: FastifyRequest): Verdict | Promise<Verdict> {
    const rules = this.#context.rules.active
    const rule = this.#context.rules.of(request, rules)
    const decision = this.#context.decider.decide(request, rule)
    if (!(decision instanceof Promise)) return { rules, rule, decision }
    return decision.then((it) => ({ rules, rule, decision: it }))
  }

  #isInForce({ rules }: Verdict): boolean {
    return rules === this.#context.rules.active
  }

  /** In the turn of the look at the rules: none can come between. */
  #enforceLate(passage: Passage, verdict: Verdict): void {
    const { request } = passage
    const { rules } = this.#context
    if (this.#isInForce(verdict)) {
      const decision = this.#unlessExpired(request, verdict.decision)
      return this.#enforce(passage, { ...verdict, decision })
    }
    // Neither what it says nor how it is enforced may come from rules that are gone.
    const { active } = rules
    this.#enforce(passage, { rules: active, rule: rules.of(request, active), decision: OUTDATED })
  }

  #enforce(passage: Passage, { rules, rule, decision }: Verdict): void {
    const { lastDecisionHeader, mismatchStatus } = this.#context
    const { request } = passage
    const isShadow = rule !== null && !rule.isEnforcedFor(request.spiffeId ?? null)
    const policyVersion = rules.version
    try {
      this.#note(request, decision, { policyVersion, isShadow })
    } catch (error) {
      // What only takes note neither lets in nor refuses.
      request.log.error({ err: error }, 'decision not recorded')
    }
    enforce(passage, decision, { policyVersion, isShadow, lastDecisionHeader, mismatchStatus })
  }

  #note(
    request: FastifyRequest,
    decision: Decision,
    enforcement: Pick<Enforcement, 'policyVersion' | 'isShadow'>,
  ): void {
    const { candidate, tally, svids, decisionLog } = this.#context
    const { isShadow } = enforcement
    decisionLog?.record(request, decision, enforcement)
    if (isShadow) tally.count(request, { enforced: true, considered: decision.allowed })
    if (decision.allowed && request.peer) svids.note(request.peer)
    candidate.compare(request, decision.allowed || isShadow)
  }

  /** Time has passed while a check ran. */
  #unlessExpired(request: FastifyRequest, decision: Decision): Decision {
    try {
      // Written so that a clock which gives NaN refuses.
      const isCurrent = this.#context.clock() < expiryOf(request.peer)
      return decision.allowed && !isCurrent ? EXPIRED : decision
    } catch (error) {
      return ruleFailure(error)
    }
  }
}
