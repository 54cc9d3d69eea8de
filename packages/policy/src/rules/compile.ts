import type { SpiffeId } from '@fastify-spiffe/spiffe'
import type { CallChain } from '../call.ts'
import type { RequirementContext, RequirementLocation } from './requirement-options.ts'
import {
  type AltNameRule,
  compileAltNames,
  type CompiledAltNames,
} from '../principals/alt-names.ts'
import { callerRequirement } from './caller-requirement.ts'
import { compileProof, type CompiledProof } from '../principals/proof.ts'
import { compileCondition } from './condition-requirement.ts'
import { compileEngineUse } from './engine-requirement.ts'
import type { Requirement } from './requirement.ts'
import { compileRouteTenant, type RouteTenant, type TenantContext } from './route-tenant.ts'
import { type CompiledCallers, compileCallers, union } from '../principals/callers.ts'
import {
  BEHALF_KEYS,
  behalfCheckOf,
  type CheckBehalf,
  compileBehalf,
  type CompiledBehalf,
  originAsSubject,
  type TenantSubject,
} from '../principals/behalf.ts'
import { compileGrant, type Grant, type Roles } from '../principals/grant.ts'
import { identifierOf, type Identify, isDenied } from '../principals/identify.ts'
import type { RuleLocation } from '../location.ts'
import type { LocatedRule, Resolution } from './resolve.ts'
import type { RuleMode } from '../document/route-rule.ts'

/** A rule as requests meet it. */
export interface CompiledRule {
  readonly identify: Identify
  /** Checks on whose behalf the call is made; `null`: the rule does not look at that. */
  readonly behalf: CheckBehalf | null
  /** Whose tenant a call is about. */
  readonly tenantSubject: TenantSubject
  /** Compares the tenant that the request names with that of the caller, before everything else. */
  readonly tenant: RouteTenant | null
  /** What must hold as well, in order. */
  readonly requirements: readonly Requirement[]
  /**
   * `shadow`: the decision is reported and not enforced, except for callers that an enforced rule
   * around it denies.
   */
  readonly mode: RuleMode
  /** Always so in the mode `enforce`. */
  readonly isEnforcedFor: (id: SpiffeId | null, chain: CallChain | null) => boolean
  /** What the rule says, for those who read it. */
  readonly description: RuleDescription
}

export interface RuleDescription {
  readonly place: RuleLocation
  readonly grant: Grant
  readonly denied: CompiledCallers | null
  readonly behalf: CompiledBehalf | null
  readonly proof: CompiledProof | null
  readonly altNames: CompiledAltNames | null
}

/** What rules are compiled with. */
export interface RuleContext extends RequirementContext, TenantContext {
  readonly roles: Roles
  /** Whether the tenant of a call is that of its origin. */
  readonly isTenantOfOrigin: boolean
}

const KEYS = [
  'allow',
  'roles',
  'deny',
  ...BEHALF_KEYS,
  'proof',
  'subjectAltName',
  'anyAuthenticated',
  'public',
  'tenant',
  'where',
  'engines',
  'mode',
] as const

/**
 * Compiles the rule of one route. What is wrong with it is wrong at boot.
 *
 * @throws {PolicyError} `invalid-rule`
 */
export function compileRule({ rule, enclosing }: Resolution, context: RuleContext): CompiledRule {
  const { place } = rule
  const given = place.members(place.root, rule.rule, KEYS)
  const grant = compileGrant(place, given, context.roles)
  const mode = compileMode(place, given)
  const enforcedEnclosing = enclosing.filter(isEnforced)
  const denied = compileDenied([rule, ...enforcedEnclosing])
  const behalf = compileBehalf(place, given, context.reader)
  const proof = compileProof(place, given)
  const altNames = compileAltNames(place, given, grant)
  const ruled = withSubject(context, behalf)
  return {
    identify: identifierOf(grant, denied),
    behalf: behalf && behalfCheckOf(behalf),
    tenantSubject: ruled.tenantSubject,
    tenant: given.has('tenant')
      ? compileRouteTenant(place, `${place.root}.tenant`, given.get('tenant'), context)
      : null,
    requirements: [
      ...demandsOfCaller(proof, altNames),
      ...compileRequirements(place, given, grant, ruled),
    ],
    mode,
    isEnforcedFor: mode === 'enforce' ? () => true : namedBy(compileDenied(enforcedEnclosing)),
    description: { place, grant, denied, behalf, proof, altNames },
  }
}

function withSubject(context: RuleContext, behalf: CompiledBehalf | null): RuleContext {
  if (!context.isTenantOfOrigin) return context
  return { ...context, tenantSubject: originAsSubject(context.reader, behalf) }
}

/** A rule in shadow mode denies nobody, at the routes within neither. */
function isEnforced({ place, rule }: LocatedRule): boolean {
  return place.members(place.root, rule, KEYS).get('mode') !== 'shadow'
}

/** A caller for which that is unknown counts as named. */
function namedBy(callers: CompiledCallers | null): CompiledRule['isEnforcedFor'] {
  if (callers === null) return () => false
  return (id, chain) => {
    try {
      return isDenied(callers, id, chain)
    } catch {
      return true
    }
  }
}

/** The callers that any of the rules denies: what an outer rule denies, no inner one can allow. */
function compileDenied(rules: readonly LocatedRule[]): CompiledCallers | null {
  const lists = rules.flatMap(({ place, rule }) => {
    const given = place.members(place.root, rule, KEYS)
    if (!given.has('deny')) return []
    return [compileCallers(place, `${place.root}.deny`, given.get('deny'))]
  })
  return lists.length === 0 ? null : union(lists)
}

/** Never cached: one SPIFFE ID can come with another certificate at the next call, or with a token. */
function demandsOfCaller(
  proof: CompiledProof | null,
  altNames: CompiledAltNames | null,
): readonly Requirement[] {
  const demands: Requirement[] = []
  if (proof !== null) {
    demands.push(callerRequirement('proof', proof.accepted.join(' or '), proof.check))
  }
  if (altNames !== null) {
    const text = altNames.demands.map(describeDemand).join('; ')
    demands.push(callerRequirement('subjectAltName', text, altNames.check))
  }
  return demands
}

/** For people: `dns a.example.org or b.example.org, ip 192.0.2.1`. */
function describeDemand(demand: AltNameRule): string {
  return Object.entries(demand)
    .map(([kind, names]: [string, readonly string[]]) => `${kind} ${names.join(' or ')}`)
    .join(', ')
}

/** First the conditions, which are the application's own and mostly cheap, then the engines. */
function compileRequirements(
  place: RuleLocation,
  given: ReadonlyMap<string, unknown>,
  grant: Grant,
  context: RequirementContext,
): readonly Requirement[] {
  const allow = typeof grant === 'string' ? null : grant.others
  const at = (key: string): RequirementLocation => ({ place, key: `${place.root}.${key}`, allow })
  const where = given.has('where') ? given.get('where') : []
  const conditions = Array.isArray(where)
    ? where.map((it, position) => compileCondition(at(`where[${position}]`), it, context))
    : [compileCondition(at('where'), where, context)]
  const uses = given.has('engines') ? given.get('engines') : []
  if (!Array.isArray(uses)) return place.refuse(`${place.root}.engines`, uses, 'must be a list')
  const engines = uses.map((it, position) =>
    compileEngineUse(at(`engines[${position}]`), it, context),
  )
  return [...conditions, ...engines]
}

function compileMode(place: RuleLocation, given: ReadonlyMap<string, unknown>): RuleMode {
  const mode = given.has('mode') ? given.get('mode') : 'enforce'
  if (mode === 'enforce' || mode === 'shadow') return mode
  return place.refuse(`${place.root}.mode`, mode, 'must be enforce or shadow')
}
