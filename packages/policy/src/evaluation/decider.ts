import type { SpiffeId } from '@fastify-spiffe/spiffe'
import type { Call, Caller, CallReader } from '../call.ts'
import type { DecisionCache } from '../cache/decision-cache.ts'
import { attributesView, type AttributeValue } from '../attributes/attributes.ts'
import type { Provisions } from '../attributes/resolver.ts'
import type { AttributeSource } from '../attributes/sources.ts'
import type { CompiledRule } from '../rules/compile.ts'
import { decisionKey } from '../rules/key.ts'
import type { Step } from '../rules/step.ts'
import type { TenantQuotas } from '../principals/quota.ts'
import { type TenantResolver, tenantKey } from '../principals/tenant.ts'
import { type Decision, deny, ruleFailure } from '../decision/decision.ts'

const NOT_FOUND = deny('not-found')
const NO_RULE = deny('no-rule')
const TENANT_MISMATCH = deny('tenant-mismatch')
const TENANT_QUOTA = deny('tenant-quota')

/** What decides besides the rules. */
export interface DeciderParts {
  readonly reader: CallReader
  readonly cache: DecisionCache
  readonly quotas: TenantQuotas
  readonly provisions: Provisions
  /** `null` when the plugin has no tenant template. */
  readonly tenantOf: TenantResolver | null
}

/** Decides requests by rules: at once, unless a check or an engine has to be awaited. */
export class Decider {
  readonly #reader: CallReader
  readonly #cache: DecisionCache
  readonly #quotas: TenantQuotas
  readonly #provisions: Provisions
  readonly #tenantOf: TenantResolver | null
  /** An identity lives as long as its connection. To hash a text that was just put together costs more than the look-up. */
  readonly #tenantKeys = new WeakMap<SpiffeId, string>()

  constructor({ reader, cache, quotas, provisions, tenantOf }: DeciderParts) {
    this.#reader = reader
    this.#quotas = quotas
    this.#provisions = provisions
    this.#cache = cache
    this.#tenantOf = tenantOf
  }

  /** Whatever throws or rejects here refuses: a `deny` that fails must not let in. Itself it does neither. */
  decide(call: Call, rule: CompiledRule | null): Decision | Promise<Decision> {
    if (rule === null) return this.#reader.route(call) === null ? NOT_FOUND : NO_RULE
    try {
      const caller = this.#reader.caller(call)
      if (caller === null) return rule.identify(null)
      if (!isOwnTenant(rule, call, caller.spiffeId)) return TENANT_MISMATCH
      const decision = rule.identify(caller.spiffeId)
      if (!decision.allowed) return decision
      const outcome = this.#decideSteps(rule.steps, 0, decision, call, caller)
      return outcome instanceof Promise ? outcome.catch(ruleFailure) : outcome
    } catch (error) {
      return ruleFailure(error)
    }
  }

  /** All of them must allow: the first that does not decides. */
  #decideSteps(
    steps: readonly Step[],
    first: number,
    before: Decision,
    call: Call,
    caller: Caller,
  ): Decision | Promise<Decision> {
    let decision = before
    for (let position = first; position < steps.length && decision.allowed; position++) {
      const outcome = this.#decideStep(steps[position]!, call, caller)
      if (outcome instanceof Promise) {
        const former = decision
        return outcome.then((it) =>
          this.#decideSteps(steps, position + 1, together(former, it), call, caller),
        )
      }
      decision = together(decision, outcome)
    }
    return decision
  }

  #decideStep(step: Step, call: Call, caller: Caller): Decision | Promise<Decision> {
    if (step.providers.length === 0) return this.#decidePrepared(step, call, caller)
    return this.#provisions
      .prepare(step.providers, call, caller)
      .then((refusal) => refusal ?? this.#decidePrepared(step, call, caller))
  }

  #decidePrepared(step: Step, call: Call, caller: Caller): Decision | Promise<Decision> {
    const { spiffeId: id } = caller
    const { sources, maxAgeMs, verdicts } = step
    const values = readAll(sources, call, id)
    if ('allowed' in values) return values
    const tenant = this.#tenantKeyOf(id)
    const ask: Ask = () => step.ask(id, attributesView(sources, values), tenant)
    if (maxAgeMs === 0 && !step.isMetered) {
      return this.#cache.decideAfresh({ tenant, verdicts, evaluate: ask })
    }
    const evaluate: Ask = () => this.#quotas.run(tenant, TENANT_QUOTA, ask)
    const { providers, standIn, bypass } = step
    if (maxAgeMs === 0 || bypass?.isBypassed(tenant) === true) {
      return this.#cache.decideAfresh({ tenant, verdicts, evaluate })
    }
    const notAfter =
      providers.length === 0
        ? caller.notAfter
        : Math.min(caller.notAfter, this.#provisions.notAfter(call, providers))
    const [identity, key] = [id.toString(), decisionKey(step, values)]
    const question = { tenant, identity, key, notAfter, maxAgeMs, verdicts, standIn, evaluate }
    const decision = this.#cache.decide(question)
    if (!(decision instanceof Promise)) bypass?.note(tenant, decision.cached)
    return decision
  }

  #tenantKeyOf(id: SpiffeId): string {
    const known = this.#tenantKeys.get(id)
    if (known !== undefined) return known
    const key = tenantKey(id.trustDomain, this.#tenantOf?.(id)?.name ?? '')
    this.#tenantKeys.set(id, key)
    return key
  }
}

/** The later one decides, but that a last decision stood in shows to the end. */
function together(former: Decision, later: Decision): Decision {
  return former.reason === 'last-decision' && later.allowed ? former : later
}

/** The values of all attributes, or the refusal of a request in which one has no single value. */
function readAll(
  sources: readonly AttributeSource[],
  call: Call,
  id: SpiffeId,
): readonly AttributeValue[] | Decision {
  const values: AttributeValue[] = []
  for (const source of sources) {
    const value = source.varies ? source.read(call) : source.read(id)
    if (value === null) return source.refusal
    values.push(value)
  }
  return values
}

type Ask = () => Decision | Promise<Decision>

function isOwnTenant({ tenant }: CompiledRule, call: Call, id: SpiffeId): boolean {
  if (tenant === null) return true
  const { source, admits } = tenant
  return admits(id, source.varies ? source.read(call) : source.read(id))
}

/** When the caller's SVID expires. Without a caller nothing is known to be valid. */
export function expiryOf(caller: Caller | null): number {
  return caller?.notAfter ?? 0
}
