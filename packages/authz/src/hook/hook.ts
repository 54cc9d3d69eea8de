import type { FastifyRequest, onRequestHookHandler } from 'fastify'
import {
  type Candidate,
  type CompiledRule,
  type Decider,
  type Decision,
  type DecisionLog,
  deny,
  expiryOf,
  type RuleFinder,
  ruleFailure,
  type RuleSet,
  type RuleTable,
  type Enforcement,
  type SvidIndex,
  type Tally,
} from '@fastify-spiffe/policy/internal'
import type { Caller } from '@fastify-spiffe/policy'
import type { RequestReader } from '../call/reader.ts'
import { enforce, type Passage, type ResponseOptions } from './enforce.ts'

/** What the gate decides with. */
export interface GateContext extends ResponseOptions {
  /** The name of the hook, by which the router's printed tree shows it. */
  readonly name: string
  readonly reader: RequestReader
  readonly table: RuleTable
  readonly finder: RuleFinder
  readonly decider: Decider
  readonly candidate: Candidate
  readonly tally: Tally
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
    const decision = this.#context.reader.route(passage.request) === null ? NOT_FOUND : NO_RULE
    this.#enforce(passage, { rules: this.#context.table.active, rule: null, decision })
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
    const { table, finder, decider } = this.#context
    const rules = table.active
    const rule = finder.ruleOf(request, rules)
    const decision = decider.decide(request, rule)
    if (!(decision instanceof Promise)) return { rules, rule, decision }
    return decision.then((it) => ({ rules, rule, decision: it }))
  }

  #isInForce({ rules }: Verdict): boolean {
    return rules === this.#context.table.active
  }

  /** In the turn of the look at the rules: none can come between. */
  #enforceLate(passage: Passage, verdict: Verdict): void {
    const { request } = passage
    if (this.#isInForce(verdict)) {
      const decision = this.#unlessExpired(request, verdict.decision)
      return this.#enforce(passage, { ...verdict, decision })
    }
    // Neither what it says nor how it is enforced may come from rules that are gone.
    const { table, finder } = this.#context
    const rules = table.active
    this.#enforce(passage, { rules, rule: finder.ruleOf(request, rules), decision: OUTDATED })
  }

  #enforce(passage: Passage, { rules, rule, decision }: Verdict): void {
    const { request } = passage
    const caller = this.#context.reader.caller(request)
    const isShadow = rule !== null && !rule.isEnforcedFor(caller?.spiffeId ?? null)
    const enforcement = { policyVersion: rules.version, isShadow }
    try {
      this.#note(request, caller, decision, enforcement)
    } catch (error) {
      // What only takes note neither lets in nor refuses.
      request.log.error({ err: error }, 'decision not recorded')
    }
    enforce(passage, decision, enforcement, this.#context)
  }

  #note(
    request: FastifyRequest,
    caller: Caller | null,
    decision: Decision,
    enforcement: Enforcement,
  ): void {
    const { candidate, tally, svids, decisionLog } = this.#context
    const { isShadow } = enforcement
    decisionLog?.record(request, decision, enforcement)
    if (isShadow) tally.count(request, { enforced: true, considered: decision.allowed })
    if (decision.allowed && caller !== null) svids.note(caller)
    candidate.compare(request, decision.allowed || isShadow)
  }

  /** Time has passed while a check ran. */
  #unlessExpired(request: FastifyRequest, decision: Decision): Decision {
    try {
      // Written so that a clock which gives NaN refuses.
      const isCurrent = this.#context.clock() < expiryOf(this.#context.reader.caller(request))
      return decision.allowed && !isCurrent ? EXPIRED : decision
    } catch (error) {
      return ruleFailure(error)
    }
  }
}
