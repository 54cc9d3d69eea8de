import type { Call, Caller, CallReader } from '../call.ts'
import type { DecisionLog } from '../decision-log/decision-log.ts'
import { type Decision, deny, type Refusal, ruleFailure } from '../decision/decision.ts'
import { publishDecision } from '../decision/decision-event.ts'
import type { Enforcement } from '../decision/enforcement.ts'
import { type RefusalKind, refusalKindOf } from '../decision/refusal-kind.ts'
import type { Evaluator } from '../evaluation/evaluator.ts'
import { chainOf } from '../hypothetical-call.ts'
import type { SeenSvids } from '../principals/seen-svids.ts'
import type { Candidate } from '../rollout/candidate.ts'
import type { ShadowCounters } from '../rollout/shadow-counters.ts'
import type { CompiledRule } from '../rules/compile.ts'
import type { RuleFinder, RuleTable } from '../rules/rule-table.ts'
import type { RuleSet } from '../rules/rule-set.ts'

/** What a decision point decides with. */
export interface DecisionPointParts<C extends Call> {
  readonly reader: CallReader<C>
  readonly table: RuleTable
  readonly finder: RuleFinder<C>
  readonly evaluator: Evaluator
  readonly candidate: Candidate
  readonly shadow: ShadowCounters
  readonly svids: SeenSvids
  readonly decisionLog: DecisionLog | null
  /** Milliseconds since the epoch. */
  readonly clock: () => number
  /** Told when a decision could not be recorded, which changes nothing about it. */
  readonly onRecordError: (call: C, error: unknown) => void
}

/** What becomes of a call. */
export type Outcome = Admission | Rejection

/** The call goes on. */
export interface Admission extends Enforcement {
  readonly isAdmitted: true
  /** In shadow mode it may be a refusal, which is not enforced. */
  readonly decision: Decision
  /** Of the refusal that is not enforced; `null` where the decision allows. */
  readonly kind: RefusalKind | null
}

/** The call is refused. */
export interface Rejection extends Enforcement {
  readonly isAdmitted: false
  readonly decision: Refusal
  /** What the transport has a status for. */
  readonly kind: RefusalKind
}

/** Does what the outcome says. Called once for each call. */
export type Enforce = (outcome: Outcome) => void

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

/**
 * Decides calls by the rules in force, whatever carries them, and records the decisions. It answers at once unless a check has
 * to be awaited.
 */
export class DecisionPoint<C extends Call = Call> {
  readonly #parts: DecisionPointParts<C>

  constructor(parts: DecisionPointParts<C>) {
    this.#parts = parts
  }

  /** Decides a call. The outcome is handed over in the turn in which it is known that its rules are in force. */
  decide(call: C, enforce: Enforce): void {
    const { reader, table, finder, evaluator } = this.#parts
    const rules = table.active
    const caller = reader.caller(call)
    const rule = finder.ruleOf(call, rules)
    const decision = evaluator.decide(call, caller, rule)
    if (decision instanceof Promise)
      void this.#decideLater(call, { rules, rule }, decision, enforce)
    else enforce(this.#record(call, caller, rules, rule, decision))
  }

  /** Refuses a call that no rule can be for. */
  refuse(call: C, enforce: Enforce): void {
    const { reader, table } = this.#parts
    const decision = reader.route(call) === null ? NOT_FOUND : NO_RULE
    enforce(this.#record(call, reader.caller(call), table.active, null, decision))
  }

  async #decideLater(
    call: C,
    { rules, rule }: Omit<Verdict, 'decision'>,
    pending: Promise<Decision>,
    enforce: Enforce,
  ): Promise<void> {
    let verdict: Verdict = { rules, rule, decision: await pending }
    // Its rules were replaced while it waited: the new ones decide.
    if (!this.#isInForce(verdict)) verdict = await this.#decideAnew(call)
    enforce(this.#settle(call, verdict))
  }

  async #decideAnew(call: C): Promise<Verdict> {
    const { reader, table, finder, evaluator } = this.#parts
    const rules = table.active
    const rule = finder.ruleOf(call, rules)
    return { rules, rule, decision: await evaluator.decide(call, reader.caller(call), rule) }
  }

  #isInForce({ rules }: Verdict): boolean {
    return rules === this.#parts.table.active
  }

  /** In the turn of the look at the rules: none can come between. */
  #settle(call: C, verdict: Verdict): Outcome {
    // Who calls is read again: what a connection proves can have ended while a check ran.
    const caller = this.#parts.reader.caller(call)
    if (this.#isInForce(verdict)) {
      const { rules, rule, decision } = verdict
      return this.#record(call, caller, rules, rule, this.#unlessExpired(call, caller, decision))
    }
    // Neither what it says nor how it is enforced may come from rules that are gone.
    const { table, finder } = this.#parts
    const rules = table.active
    return this.#record(call, caller, rules, finder.ruleOf(call, rules), OUTDATED)
  }

  /** Time has passed while a check ran. */
  #unlessExpired(call: C, caller: Caller | null, decision: Decision): Decision {
    try {
      const chain = chainOf(this.#parts.reader, call)
      // Written so that a clock which gives NaN refuses, as does a caller without a known end of validity.
      const end = Math.min(caller?.notAfter ?? 0, chain?.validUntil ?? Infinity)
      const isCurrent = this.#parts.clock() < end
      return decision.allowed && !isCurrent ? EXPIRED : decision
    } catch (error) {
      return ruleFailure(error)
    }
  }

  #record(
    call: C,
    caller: Caller | null,
    rules: RuleSet,
    rule: CompiledRule | null,
    decision: Decision,
  ): Outcome {
    const { reader } = this.#parts
    const isShadow =
      rule?.mode === 'shadow' &&
      !rule.isEnforcedFor(caller?.spiffeId ?? null, chainOf(reader, call))
    const outcome = outcomeOf(decision, caller, rules.version, isShadow)
    this.#note(call, caller, outcome)
    publishDecision(reader, call, decision, outcome)
    return outcome
  }

  #note(call: C, caller: Caller | null, outcome: Outcome): void {
    const { candidate, shadow, svids, decisionLog, onRecordError } = this.#parts
    const { decision, isShadow, isAdmitted } = outcome
    try {
      decisionLog?.record(call, decision, outcome)
      if (isShadow) shadow.count(call, { enforced: true, considered: decision.allowed })
      if (decision.allowed && caller !== null) svids.note(caller)
      candidate.compare(call, caller, isAdmitted)
    } catch (error) {
      // What only takes note neither lets in nor refuses.
      onRecordError(call, error)
    }
  }
}

function outcomeOf(
  decision: Decision,
  caller: Caller | null,
  policyVersion: string,
  isShadow: boolean,
): Outcome {
  if (decision.allowed) {
    return { isAdmitted: true, decision, kind: null, policyVersion, isShadow }
  }
  const kind = refusalKindOf(decision, caller)
  return isShadow
    ? { isAdmitted: true, decision, kind, policyVersion, isShadow }
    : { isAdmitted: false, decision, kind, policyVersion, isShadow }
}
