import type { FastifyRequest, HookHandlerDoneFunction, onRequestHookHandler } from 'fastify'
import type { CompiledRule } from '../rule/compile.ts'
import type { RouteRules } from '../rule/route-rules.ts'
import type { RuleSet } from '../rule/rule-set.ts'
import type { Candidate } from '../shadow/candidate.ts'
import type { Tally } from '../shadow/tally.ts'
import { type Decider, expiryOf } from './decider.ts'
import { type Decision, deny, ruleFailure } from './decision.ts'
import { enforce } from './enforce.ts'

/** What the gate decides with. */
export interface GateContext {
  /** The name of the hook, by which the router's printed tree shows it. */
  readonly name: string
  readonly rules: RouteRules
  readonly decider: Decider
  readonly candidate: Candidate
  readonly tally: Tally
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
    this.hook = (request, _reply, done) => this.#pass(request, done)
    Object.defineProperty(this.hook, 'name', { value: context.name })
  }

  #pass(request: FastifyRequest, done: HookHandlerDoneFunction): void {
    const { rules, decider } = this.#context
    const { active } = rules
    const rule = rules.of(request, active)
    const decision = decider.decide(request, rule)
    if (decision instanceof Promise) {
      this.#await(request, rule, active, decision, done).catch((error: unknown) =>
        this.#enforce(request, null, ruleFailure(error), done),
      )
    } else {
      this.#enforce(request, rule, decision, done)
    }
  }

  /** A request whose rules were replaced while it waited is decided once more, by the new ones. */
  async #await(
    request: FastifyRequest,
    rule: CompiledRule | null,
    former: RuleSet,
    outcome: Promise<Decision>,
    done: HookHandlerDoneFunction,
  ): Promise<void> {
    const { rules, decider } = this.#context
    const decision = await outcome
    const { active } = rules
    if (active === former) {
      return this.#enforce(request, rule, this.#unlessExpired(request, decision), done)
    }
    const newRule = rules.of(request, active)
    const again = await decider.decide(request, newRule)
    const settled = rules.active === active ? this.#unlessExpired(request, again) : OUTDATED
    this.#enforce(request, newRule, settled, done)
  }

  #enforce(
    request: FastifyRequest,
    rule: CompiledRule | null,
    decision: Decision,
    done: HookHandlerDoneFunction,
  ): void {
    const { rules, candidate, tally } = this.#context
    const isShadow = rule?.mode === 'shadow'
    if (isShadow) tally.count(request, { enforced: true, considered: decision.allowed })
    candidate.compare(request, decision.allowed || isShadow)
    enforce(request, decision, { policyVersion: rules.active.version, isShadow }, done)
  }

  /** Time has passed while a check ran. */
  #unlessExpired(request: FastifyRequest, decision: Decision): Decision {
    // Written so that a clock which gives NaN refuses.
    const isCurrent = this.#context.clock() < expiryOf(request.peer)
    return decision.allowed && !isCurrent ? EXPIRED : decision
  }
}
