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

/** A decision, and the rule by which it was made; `null`: there is none. */
interface Verdict {
  readonly rule: CompiledRule | null
  readonly decision: Decision
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
    if (!(decision instanceof Promise)) return this.#enforce(passage, { rule, decision })
    void decision
      .then((it) => this.#settle(request, active, { rule, decision: it }))
      .catch((error: unknown) => ({ rule, decision: ruleFailure(error) }))
      .then((verdict) => this.#enforce(passage, verdict))
  }

  /** A request whose rules were replaced while it waited is decided once more, by the new ones. */
  async #settle(request: FastifyRequest, former: RuleSet, verdict: Verdict): Promise<Verdict> {
    const { rules, decider } = this.#context
    const { active } = rules
    if (active === former) {
      return { ...verdict, decision: this.#unlessExpired(request, verdict.decision) }
    }
    const rule = rules.of(request, active)
    const again = await decider.decide(request, rule)
    const decision = rules.active === active ? this.#unlessExpired(request, again) : OUTDATED
    return { rule, decision }
  }

  #enforce(passage: Passage, { rule, decision }: Verdict): void {
    const { rules, lastDecisionHeader, mismatchStatus } = this.#context
    const { request } = passage
    const isShadow = rule !== null && !rule.isEnforcedFor(request.spiffeId ?? null)
    const policyVersion = rules.active.version
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
    // Written so that a clock which gives NaN refuses.
    const isCurrent = this.#context.clock() < expiryOf(request.peer)
    return decision.allowed && !isCurrent ? EXPIRED : decision
  }
}
