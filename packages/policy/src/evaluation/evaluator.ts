import type { AttributeValue } from '../attributes/attributes.ts'
import type { AttributeSource } from '../attributes/sources.ts'
import type { Call, CallChain, Caller } from '../call.ts'
import { type Decision, deny, type Refusal, ruleFailure } from '../decision/decision.ts'
import type { CompiledRule } from '../rules/compile.ts'
import type { Requirement } from '../rules/requirement.ts'
import type { RouteTenant } from '../rules/route-tenant.ts'

/** How an evaluator finds what rules ask for. */
export interface EvaluationMethod<C extends Call = Call> {
  /** Whether the call matches no route at all. */
  isUnmatched(call: C): boolean
  /** On whose behalf the call is made; `null`: the caller acts for itself. */
  chain(call: C): CallChain | null
  /** Reads the attribute by which the call names a tenant. */
  read(source: AttributeSource, call: C, caller: Caller): AttributeValue | null
  /** What one requirement comes to; `null`: what it decides, through the cache and the quota of its rule. */
  readonly decide:
    | ((requirement: Requirement, call: C, caller: Caller) => Decision | Promise<Decision>)
    | null
}

/** Told what the parts of a rule come to, in their order, as far as they are evaluated. */
export interface EvaluationObserver {
  /** Whether the call is about the data of the caller's own tenant. */
  onTenant(isOwn: boolean): void
  /** On whose behalf the call is made. `refusal`: `null` where it may. */
  onBehalf(refusal: Refusal | null): void
  /** @param position - of the requirement in the rule */
  onRequirement(position: number, decision: Decision): void
}

const NOT_FOUND = deny('not-found')
const NO_RULE = deny('no-rule')
const TENANT_MISMATCH = deny('tenant-mismatch')

/** Decides calls by rules: at once, unless a check or an engine has to be awaited. Whatever explains or tests a rule observes it. */
export class Evaluator<C extends Call = Call> {
  readonly #method: EvaluationMethod<C>

  constructor(method: EvaluationMethod<C>) {
    this.#method = method
  }

  /**
   * Whatever throws or rejects here refuses: a `deny` that fails must not let in. Itself it does neither.
   *
   * @param caller - `null` for a caller without identity
   * @param rule - `null`: there is none for the call
   */
  decide(
    call: C,
    caller: Caller | null,
    rule: CompiledRule | null,
    observer: EvaluationObserver | null = null,
  ): Decision | Promise<Decision> {
    if (rule === null) return this.#method.isUnmatched(call) ? NOT_FOUND : NO_RULE
    try {
      const chain = this.#method.chain(call)
      if (caller === null) return rule.identify(null, chain)
      return this.#decideFor(call, caller, rule, chain, observer)
    } catch (error) {
      return ruleFailure(error)
    }
  }

  /** On whose behalf a call is made; `null`: the caller acts for itself. */
  chainOf(call: C): CallChain | null {
    return this.#method.chain(call)
  }

  /** The tenant, the identity, on whose behalf it calls, then each requirement: the first that refuses decides. */
  #decideFor(
    call: C,
    caller: Caller,
    rule: CompiledRule,
    chain: CallChain | null,
    observer: EvaluationObserver | null,
  ): Decision | Promise<Decision> {
    // What a rule does not ask for costs no call.
    const { tenant, behalf, requirements } = rule
    if (tenant !== null && !this.#isOwnTenant(call, caller, tenant, rule, observer)) {
      return TENANT_MISMATCH
    }
    const decision = rule.identify(caller.spiffeId, chain)
    if (!decision.allowed) return decision
    if (behalf !== null) {
      const refusal = behalf(caller.spiffeId, chain)
      observer?.onBehalf(refusal)
      if (refusal !== null) return refusal
    }
    if (requirements.length === 0) return decision
    const outcome = this.#require(requirements, 0, decision, call, caller, observer)
    return outcome instanceof Promise ? outcome.catch(ruleFailure) : outcome
  }

  #isOwnTenant(
    call: C,
    caller: Caller,
    tenant: RouteTenant,
    { tenantSubject }: CompiledRule,
    observer: EvaluationObserver | null,
  ): boolean {
    const subject = tenantSubject(call, caller)
    const isOwn = tenant.admits(subject, this.#method.read(tenant.source, call, caller))
    observer?.onTenant(isOwn)
    return isOwn
  }

  #require(
    requirements: readonly Requirement[],
    first: number,
    before: Decision,
    call: C,
    caller: Caller,
    observer: EvaluationObserver | null,
  ): Decision | Promise<Decision> {
    const { decide } = this.#method
    let decision = before
    for (let position = first; position < requirements.length && decision.allowed; position++) {
      const requirement = requirements[position]!
      const outcome =
        decide === null ? requirement.decide(call, caller) : decide(requirement, call, caller)
      if (outcome instanceof Promise) {
        const former = decision
        return outcome.then((later) => {
          observer?.onRequirement(position, later)
          const decided = combine(former, later)
          return this.#require(requirements, position + 1, decided, call, caller, observer)
        })
      }
      observer?.onRequirement(position, outcome)
      decision = combine(decision, outcome)
    }
    return decision
  }
}

/** The later decision wins, except that an earlier stale allow stays visible as the reason. */
function combine(former: Decision, later: Decision): Decision {
  return former.reason === 'stale' && later.allowed ? former : later
}
