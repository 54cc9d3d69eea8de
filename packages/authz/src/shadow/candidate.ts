import type { FastifyRequest } from 'fastify'
import type { Decider } from '../decide/decider.ts'
import type { Decision } from '../decide/decision.ts'
import { callerOf, routeOf } from '../decide/facts.ts'
import { candidateChannel, type CandidateEvent } from '../events.ts'
import type { PolicyDocument } from '../policy/document.ts'
import { Policy } from '../policy/policy.ts'
import { runTests } from '../policy/run-tests.ts'
import type { RouteRules } from '../rule/route-rules.ts'
import type { RuleSet } from '../rule/rule-set.ts'
import { Tally } from './tally.ts'

/**
 * A policy document that decides beside the one in force, and enforces nothing. Each request is decided by both; what the
 * candidate asks of engines, it asks as well. No request waits for it.
 */
export class Candidate {
  readonly tally: Tally = new Tally()
  readonly #routes: RouteRules
  readonly #decider: Decider
  #rules: RuleSet | null = null

  constructor(routes: RouteRules, decider: Decider) {
    this.#routes = routes
    this.#decider = decider
  }

  /**
   * Sets the candidate, or takes it away by `null`. The counts begin anew.
   *
   * @throws {AuthzError} `invalid-rule`, `uncovered-routes`, `policy-test-failed`
   */
  async set(document: PolicyDocument | null): Promise<void> {
    const policy = document && new Policy(document, 'candidate')
    const rules = policy && this.#routes.compile(policy)
    if (policy !== null && rules !== null) await runTests(policy, this.#routes, rules)
    this.#rules = rules
    this.tally.clear()
  }

  /** Decides a request by the candidate, and counts how that compares with what became of it. */
  compare(request: FastifyRequest, enforced: boolean): void {
    const rules = this.#rules
    if (rules === null || request.is404) return
    const decision = this.#decider.decide(request, this.#routes.of(request, rules))
    if (!(decision instanceof Promise)) return this.#count(request, enforced, decision, rules)
    // `decide` never rejects: what goes wrong is a refusal.
    void decision.then((it) => this.#count(request, enforced, it, rules))
  }

  #count(request: FastifyRequest, enforced: boolean, decision: Decision, rules: RuleSet): void {
    if (rules !== this.#rules) return
    const { allowed, reason } = decision
    this.tally.count(request, { enforced, considered: allowed })
    if (allowed === enforced || !candidateChannel.hasSubscribers) return
    const event: CandidateEvent = {
      verdict: allowed ? 'would-allow' : 'would-deny',
      reason,
      policyVersion: rules.version,
      method: request.method,
      route: routeOf(request),
      spiffeId: callerOf(request),
    }
    candidateChannel.publish(Object.freeze(event))
  }
}
