import type { AttributeValue } from '../attributes/attributes.ts'
import type { AttributeProvider } from '../attributes/provider.ts'
import type { AttributeResolver } from '../attributes/resolver.ts'
import { type AttributeSource, readFromCall, type ReadAttribute } from '../attributes/sources.ts'
import type { AdaptiveBypass } from '../cache/adaptive-bypass.ts'
import type { DecisionCache } from '../cache/decision-cache.ts'
import type { Call, Caller, CallReader } from '../call.ts'
import { chainOf } from '../hypothetical-call.ts'
import { callerAsSubject, type TenantSubject } from '../principals/behalf.ts'
import { type Decision, deny, type Refusal } from '../decision/decision.ts'
import type { Outcomes, StaleOutcomes } from '../decision/outcomes.ts'
import type { TenantQuotas } from '../principals/quota.ts'
import { decisionKey, type KeyParts } from './decision-key.ts'
import type { Ask, Requirement } from './requirement.ts'

/** What a requirement is made of. */
export interface RequirementParts extends KeyParts {
  readonly engine: string | null
  readonly text: string | null
  readonly providers: readonly AttributeProvider[]
  readonly outcomes: Outcomes
  readonly maxAgeMs: number
  /** Watches whether remembering pays; `null`: the rule says so, or it always does. */
  readonly bypass: AdaptiveBypass | null
  /** What may be used when an engine fails; `null`: nothing. */
  readonly stale: StaleOutcomes | null
  /** Whether it counts against the quota of a tenant although it is not cached. */
  readonly isMetered: boolean
  readonly ask: Ask
}

/** What stands before the checks and engines of all rules. */
export interface CompositionContext {
  readonly resolver: AttributeResolver
  readonly cache: DecisionCache
  readonly quotas: TenantQuotas
  /** Whose tenant a call is about. */
  readonly tenantSubject: TenantSubject
  /** On whose behalf calls are made. */
  readonly reader: CallReader
  /** The key of the tenant of an identity. */
  readonly tenantKeyOf: (id: Caller['spiffeId']) => string
}

type Outcome = Decision | Promise<Decision>

const TENANT_QUOTA = deny('tenant-quota')

/** Puts together, once, what a call goes through: providers, attributes, cache, quota, and the check or the guarded engine. */
export function compose(parts: RequirementParts, context: CompositionContext): Requirement {
  const { engine, text, sources, providers, maxAgeMs, ask } = parts
  const { resolver } = context
  const tenantKeyOf = tenantKeysOf(context)
  const decide = throughCache(parts, context)
  return {
    engine,
    text,
    sources,
    providers,
    maxAgeMs,
    decide:
      providers.length === 0
        ? decide
        : (call, caller) =>
            resolver
              .resolve(providers, call, caller)
              .then((refusal) => refusal ?? decide(call, caller)),
    ask: (call, caller, read) => {
      const values = valuesOf(sources, call, caller, read)
      if (!Array.isArray(values)) return values
      const subject = context.tenantSubject(call, caller)
      return ask({ tenant: tenantKeyOf(call, caller), subject, caller, values })
    },
  }
}

/** Puts the cache before what is evaluated, and the quota between them: what the cache answers counts for nothing. */
function throughCache(parts: RequirementParts, context: CompositionContext): Requirement['decide'] {
  const { sources, outcomes, maxAgeMs, stale, isMetered, bypass, ask } = parts
  const { cache, quotas, tenantSubject } = context
  const tenantKeyOf = tenantKeysOf(context)
  const isFree = maxAgeMs === 0 && !isMetered
  const evaluate = isFree ? ask : quotas.metered(ask, TENANT_QUOTA)
  const check = { outcomes, maxAgeMs, stale, evaluate }
  const afresh: Requirement['decide'] = (call, caller) => {
    const values = valuesOf(sources, call, caller, readFromCall)
    if (!Array.isArray(values)) return values
    const subject = tenantSubject(call, caller)
    return cache.decideAfresh({ tenant: tenantKeyOf(call, caller), subject, caller, values }, check)
  }
  if (maxAgeMs === 0) return afresh
  const endOf = endOfDecisions(parts, context)
  const cached: Requirement['decide'] = (call, caller) => {
    const values = valuesOf(sources, call, caller, readFromCall)
    if (!Array.isArray(values)) return values
    const subject = tenantSubject(call, caller)
    const [tenant, identity] = [tenantKeyOf(call, caller), caller.spiffeId.toString()]
    const [key, notAfter] = [decisionKey(parts, values), endOf(call, caller)]
    return cache.decide({ tenant, subject, caller, values, identity, key, notAfter }, check)
  }
  return bypass === null ? cached : unlessBypassed(bypass, { cached, afresh }, context)
}

/** The values of all attributes, or the refusal of a call in which one has no single value. */
function valuesOf(
  sources: readonly AttributeSource[],
  call: Call,
  caller: Caller,
  read: ReadAttribute,
): AttributeValue[] | Refusal {
  const values: AttributeValue[] = []
  for (const source of sources) {
    const value = read(source, call, caller)
    if (value === null) return source.refusal
    values.push(value)
  }
  return values
}

/** The key of the tenant that a call is about. */
function tenantKeysOf({
  tenantKeyOf,
  tenantSubject,
}: CompositionContext): (call: Call, caller: Caller) => string {
  return (call, caller) => tenantKeyOf(tenantSubject(call, caller))
}

/**
 * When a decision ends whatever the cache says: with the SVID of the caller, with what providers found, and with the chain
 * of the call if anything of it was read.
 */
function endOfDecisions(
  { providers, sources }: RequirementParts,
  { resolver, reader, tenantSubject }: CompositionContext,
): (call: Call, caller: Caller) => number {
  const readsChain =
    tenantSubject !== callerAsSubject || sources.some(({ ofChain }) => ofChain === true)
  const end: (call: Call, caller: Caller) => number =
    providers.length === 0
      ? (_call, caller) => caller.notAfter
      : (call, caller) => Math.min(caller.notAfter, resolver.notAfter(call, providers))
  if (!readsChain) return end
  return (call, caller) =>
    Math.min(end(call, caller), chainOf(reader, call)?.validUntil ?? Infinity)
}

/** Goes past the cache for tenants where it does not pay. */
function unlessBypassed(
  bypass: AdaptiveBypass,
  { cached, afresh }: Readonly<Record<'cached' | 'afresh', Requirement['decide']>>,
  context: CompositionContext,
): Requirement['decide'] {
  const tenantKeyOf = tenantKeysOf(context)
  return (call, caller): Outcome => {
    const tenant = tenantKeyOf(call, caller)
    if (bypass.isBypassed(tenant)) return afresh(call, caller)
    const decision = cached(call, caller)
    if (!(decision instanceof Promise)) bypass.note(tenant, decision.cached)
    return decision
  }
}
