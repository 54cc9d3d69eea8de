import type { Peer } from '@fastify-spiffe/peer'
import type { SpiffeId } from '@fastify-spiffe/spiffe'
import type { FastifyRequest, HookHandlerDoneFunction, onRequestHookHandler } from 'fastify'
import type { DecisionCache } from './cache/decision-cache.ts'
import { attributesView, type AttributeValue } from './condition/attributes.ts'
import { type Decision, deny, ruleFailure } from './decision.ts'
import { enforce } from './enforce.ts'
import type { CompiledRule } from './rule/compile.ts'
import type { RouteRules } from './rule/route-rules.ts'
import { decisionKey } from './step/key.ts'
import type { Step } from './step/step.ts'
import { type TenantResolver, tenantKey } from './tenant.ts'

/** What the gate decides with. */
export interface GateContext {
  /** The name of the hook, by which the router's printed tree shows it. */
  readonly name: string
  readonly rules: RouteRules
  /** The rule of requests that match no route. */
  readonly notFound: CompiledRule | null
  readonly tenantOf: TenantResolver | null
  readonly cache: DecisionCache
  readonly clock: () => number
}

const NOT_FOUND = deny('not-found')
const NO_RULE = deny('no-rule')
const EXPIRED = deny('identity-expired')

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
    const decision = this.#decide(request)
    if (decision instanceof Promise) {
      decision.then(
        (settled) => enforce(request, this.#unlessExpired(request, settled), done),
        (error: unknown) => enforce(request, ruleFailure(error), done),
      )
    } else {
      enforce(request, decision, done)
    }
  }

  /** Whatever throws here refuses: a `deny` that fails must not let in. */
  #decide(request: FastifyRequest): Decision | Promise<Decision> {
    try {
      const rule = this.#context.rules.of(request) ?? this.#notFoundRule(request)
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

  #notFoundRule(request: FastifyRequest): CompiledRule | null {
    return request.is404 ? this.#context.notFound : null
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
      const value = source.read(request, id)
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
