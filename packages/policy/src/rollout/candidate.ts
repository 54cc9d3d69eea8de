import type { Call, Caller, CallReader } from '../call.ts'
import type { Evaluator } from '../evaluation/evaluator.ts'
import type { Decision } from '../decision/decision.ts'
import { candidateChannel, type CandidateEvent } from './events.ts'
import type { PolicyDocument } from '../document/document.ts'
import { Policy } from '../document/policy.ts'
import { runTests } from '../evaluation/policy-tests.ts'
import type { TenantQuotas } from '../principals/quota.ts'
import type { RuleFinder, RuleTable } from '../rules/rule-table.ts'
import type { RuleSet } from '../rules/rule-set.ts'
import { ShadowCounters } from './shadow-counters.ts'

export interface CandidateParts {
  readonly reader: CallReader
  readonly table: RuleTable
  readonly finder: RuleFinder
  readonly evaluator: Evaluator
  /** Of its own. */
  readonly quotas: TenantQuotas
}

/**
 * A policy document that decides beside the one in force, and enforces nothing. Each request is decided by both; what the
 * candidate asks of engines, it asks as well. No request waits for it.
 */
export class Candidate {
  readonly counters: ShadowCounters
  readonly #reader: CallReader
  readonly #table: RuleTable
  readonly #finder: RuleFinder
  readonly #evaluator: Evaluator
  readonly #quotas: TenantQuotas
  #rules: RuleSet | null = null

  constructor({ reader, table, finder, evaluator, quotas }: CandidateParts) {
    this.counters = new ShadowCounters(reader)
    this.#reader = reader
    this.#finder = finder
    this.#table = table
    this.#evaluator = evaluator
    this.#quotas = quotas
  }

  /**
   * Sets the candidate, or removes it by `null`. The counts start again.
   *
   * @throws {PolicyError} `invalid-rule`, `uncovered-routes`, `policy-test-failed`
   */
  async set(document: PolicyDocument | null): Promise<void> {
    const policy = document && new Policy(document, 'candidate')
    const rules = policy && this.#table.compile(policy, { quotas: this.#quotas })
    if (policy !== null && rules !== null) await runTests(policy, this.#table, rules)
    this.#rules = rules
    this.counters.clear()
  }

  /** Decides a request by the candidate, and counts how that compares with what became of it. */
  compare(call: Call, caller: Caller | null, enforced: boolean): void {
    const rules = this.#rules
    if (rules === null || this.#reader.route(call) === null) return
    const decision = this.#evaluator.decide(call, caller, this.#finder.ruleOf(call, rules))
    if (!(decision instanceof Promise)) return this.#count(call, enforced, decision, rules)
    // `decide` never rejects: what goes wrong is a refusal.
    void decision.then((it) => this.#count(call, enforced, it, rules))
  }

  #count(call: Call, enforced: boolean, decision: Decision, rules: RuleSet): void {
    if (rules !== this.#rules) return
    const { allowed, reason } = decision
    this.counters.count(call, { enforced, considered: allowed })
    if (allowed === enforced || !candidateChannel.hasSubscribers) return
    const event: CandidateEvent = {
      verdict: allowed ? 'would-allow' : 'would-deny',
      reason,
      policyVersion: rules.version,
      method: this.#reader.method(call),
      route: this.#reader.route(call),
      spiffeId: this.#reader.caller(call)?.spiffeId.toString() ?? null,
    }
    candidateChannel.publish(Object.freeze(event))
  }
}
