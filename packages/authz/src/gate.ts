import type { Peer } from '@fastify-spiffe/peer'
import type { SpiffeId } from '@fastify-spiffe/spiffe'
import type { FastifyRequest, HookHandlerDoneFunction, onRequestHookHandler } from 'fastify'
import type { DecisionCache } from './cache/decision-cache.ts'
import { attributesView, type AttributeValue } from './condition/attributes.ts'
import { type Decision, deny, ruleFailure } from './decision.ts'
import { enforce } from './enforce.ts'
import type { RouteRules } from './rule/route-rules.ts'
import type { RuleSet } from './rule/rule-set.ts'
import { decisionKey } from './step/key.ts'
import type { Step } from './step/step.ts'
import { type TenantResolver, tenantKey } from './tenant.ts'

/** What the gate decides with. */
export interface GateContext {
  /** The name of the hook, by which the router's printed tree shows it. */
  readonly name: string
  readonly rules: RouteRules
  readonly tenantOf: TenantResolver | null
  readonly cache: DecisionCache
  readonly clock: () => number
}

const NOT_FOUND = deny('not-found')
const NO_RULE = deny('no-rule')
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
    const { active } = this.#context.rules
    const decision = this.#decide(request, active)
    if (decision instanceof Promise) {
      this.#settle(request, active, decision).then(
        (settled) => this.#enforce(request, this.#unlessExpired(request, settled), done),
        (error: unknown) => this.#enforce(request, ruleFailure(error), done),
      )
    } else {
      this.#enforce(request, decision, done)
    }
  }

  #enforce(request: FastifyRequest, decision: Decision, done: HookHandlerDoneFunction): void {
    enforce(request, decision, this.#context.rules.active.version, done)
  }

  /** A request whose rules were replaced while it waited is decided once more, by the new ones. */
  async #settle(
    request: FastifyRequest,
    rules: RuleSet,
    outcome: Promise<Decision>,
  ): Promise<Decision> {
    const decision = await outcome
    const { active } = this.#context.rules
    if (rules === active) return decision
    const again = await this.#decide(request, active)
    return this.#context.rules.active === active ? again : OUTDATED
  }

  /** Whatever throws here refuses: a `deny` that fails must not let in. */
  #decide(request: FastifyRequest, rules: RuleSet): Decision | Promise<Decision> {
    try {
      const rule = this.#context.rules.of(request, rules) ?? (request.is404 ? rules.notFound : null)
      if (rule === null) return request.is404 ? NOT_FOUND : NO_RULE
      // `null` by contract. Whatever else a decorator of that name left empty is no identity either.
      const spiffeId = request.spiffeId ?? null
      const decision = rule.identify(spiffeId)
      if (!decision.allowed || spiffeId === null) return decision
      return this.#decideSteps(rule.steps, 0, decision, request, spiffeId)
    } catch (error) {
      return ruleFailure(error)
    }
  }

  /** All of them must allow: the first that does not decides. */
  #decideSteps(
    steps: readonly Step[],
    first: number,
    before: Decision,
    request: FastifyRequest,
    id: SpiffeId,
  ): Decision | Promise<Decision> {
    let decision = before
    for (let position = first; position < steps.length && decision.allowed; position++) {
      const outcome = this.#decideStep(steps[position]!, request, id)
      if (outcome instanceof Promise) {
        return outcome.then((it) => this.#decideSteps(steps, position + 1, it, request, id))
      }
      decision = outcome
    }
    return decision
  }

  #decideStep(step: Step, request: FastifyRequest, id: SpiffeId): Decision | Promise<Decision> {
    const { sources, maxAgeMs, verdicts } = step
    const values: AttributeValue[] = []
    for (const source of sources) {
      const value = source.varies ? source.read(request) : source.read(id)
      if (value === null) return source.refusal
      values.push(value)
    }
    const ask = (): Decision | Promise<Decision> => step.ask(id, attributesView(sources, values))
    if (maxAgeMs === 0) return ask()
    return this.#context.cache.decide({
      tenant: tenantKey(id.trustDomain, this.#context.tenantOf?.(id)?.name ?? ''),
      key: decisionKey(step, id, values),
      maxAgeMs,
      verdicts,
      notAfter: expiryOf(request.peer),
      evaluate: ask,
    })
  }

  /** Time has passed while a check ran. */
  #unlessExpired(request: FastifyRequest, decision: Decision): Decision {
    // Written so that a clock which gives NaN refuses.
    const isCurrent = this.#context.clock() < expiryOf(request.peer)
    return decision.allowed && !isCurrent ? EXPIRED : decision
  }
}

/** When the caller's SVID expires. Without a peer nothing is known to be valid. */
function expiryOf(peer: Peer | null): number {
  return peer?.notAfter ?? 0
}
