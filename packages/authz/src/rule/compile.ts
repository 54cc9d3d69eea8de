import type { SpiffeId, SpiffeIdMatcher } from '@fastify-spiffe/spiffe'
import { allow, type Decision, deny } from '../decision.ts'
import type { StepContext, StepPlace } from '../step/compile.ts'
import { compileCondition } from '../step/condition-step.ts'
import { compileEngineUse } from '../step/engine-step.ts'
import type { Step } from '../step/step.ts'
import { type CompiledCallers, compileCallers, union } from './callers.ts'
import type { Place } from './place.ts'
import type { PlacedRule, Resolution } from './resolve.ts'

/** A rule as requests meet it. */
export interface CompiledRule {
  /** What the identity alone decides. Allocates nothing. */
  readonly identify: (id: SpiffeId | null) => Decision
  /** What must hold as well, in order. */
  readonly steps: readonly Step[]
}

/** What rules are compiled with, besides themselves. */
export interface RuleContext extends StepContext {
  readonly roles: ReadonlyMap<string, CompiledCallers>
}

const KEYS = ['allow', 'roles', 'deny', 'anyAuthenticated', 'public', 'where', 'engines'] as const

const PUBLIC = allow('public')
const ANY_AUTHENTICATED = allow('any-authenticated')
const ALLOWED = allow('allowed')
const NO_IDENTITY = deny('no-identity')
const DENIED = deny('denied')
const NOT_ALLOWED = deny('not-allowed')

/**
 * Compiles the rule of one route. What is wrong with it is wrong at boot.
 *
 * @throws {AuthzError} `invalid-rule`
 */
export function compileRule(
  { rule: { place, rule }, around }: Resolution,
  context: RuleContext,
): CompiledRule {
  const { root } = place
  const given = place.members(root, rule, KEYS)
  const grants = [
    given.has('allow') || given.has('roles'),
    given.has('anyAuthenticated'),
    given.has('public'),
  ].filter(Boolean)
  if (grants.length !== 1) {
    return place.refuse(
      root,
      rule,
      'must have allow or roles, or else one of anyAuthenticated, public',
    )
  }
  const denied = compileDenied({ place, rule }, around)
  if (given.has('public')) {
    checkPublic(place, given)
    return { identify: publicIdentifier(denied), steps: [] }
  }
  const allowed = compileGrant(place, given, context)
  return {
    identify: identifier(allowed?.matcher ?? null, denied),
    steps: compileSteps(place, given, allowed?.others ?? null, context),
  }
}

/** Whom this rule denies, and whom those around it deny: what an outer rule denies, no inner one can allow. */
function compileDenied(rule: PlacedRule, around: readonly PlacedRule[]): SpiffeIdMatcher | null {
  const lists = [rule, ...around].flatMap(({ place, rule: each }) => {
    const given = place.members(place.root, each, KEYS)
    if (!given.has('deny')) return []
    return [compileCallers(place, `${place.root}.deny`, given.get('deny'))]
  })
  return lists.length === 0 ? null : union(lists).matcher
}

/** First the conditions, which are the application's own and mostly cheap, then the engines. */
function compileSteps(
  place: Place,
  given: ReadonlyMap<string, unknown>,
  matchers: CompiledCallers['others'] | null,
  context: StepContext,
): readonly Step[] {
  const at = (key: string): StepPlace => ({ place, key: `${place.root}.${key}`, allow: matchers })
  const where = given.get('where') ?? []
  const conditions = Array.isArray(where)
    ? where.map((it, position) => compileCondition(at(`where[${position}]`), it, context))
    : [compileCondition(at('where'), where, context)]
  const uses = given.get('engines') ?? []
  if (!Array.isArray(uses)) return place.refuse(`${place.root}.engines`, uses, 'must be a list')
  const engines = uses.map((it, position) =>
    compileEngineUse(at(`engines[${position}]`), it, context),
  )
  return [...conditions, ...engines]
}

/** DENY, then ALLOW, then default deny. */
function identifier(
  allowed: SpiffeIdMatcher | null,
  denied: SpiffeIdMatcher | null,
): CompiledRule['identify'] {
  const granted = allowed === null ? ANY_AUTHENTICATED : ALLOWED
  return (id) => {
    if (id === null) return NO_IDENTITY
    if (denied !== null && denied.matches(id)) return DENIED
    if (allowed !== null && !allowed.matches(id)) return NOT_ALLOWED
    return granted
  }
}

/** A rule around a public one can deny all the same. */
function publicIdentifier(denied: SpiffeIdMatcher | null): CompiledRule['identify'] {
  if (denied === null) return () => PUBLIC
  return (id) => (id !== null && denied.matches(id) ? DENIED : PUBLIC)
}

/** Whom `allow` and `roles` name; `null` for `anyAuthenticated`. */
function compileGrant(
  place: Place,
  given: ReadonlyMap<string, unknown>,
  { roles }: RuleContext,
): CompiledCallers | null {
  if (given.has('anyAuthenticated')) {
    const value = given.get('anyAuthenticated')
    return value === true
      ? null
      : place.refuse(`${place.root}.anyAuthenticated`, value, 'must be true')
  }
  const lists: CompiledCallers[] = []
  if (given.has('allow')) {
    const key = `${place.root}.allow`
    lists.push(compileCallers(place, key, someOf(place, key, given.get('allow'))))
  }
  if (given.has('roles')) {
    const key = `${place.root}.roles`
    const names = someOf(place, key, given.get('roles'))
    lists.push(...names.map((name, at) => findRole(place, `${key}[${at}]`, name, roles)))
  }
  return union(lists)
}

function someOf(place: Place, key: string, list: unknown): readonly unknown[] {
  if (!Array.isArray(list)) return place.refuse(key, list, 'must be a list')
  return list.length > 0 ? list : place.refuse(key, list, 'lets nobody in')
}

function findRole(
  place: Place,
  key: string,
  name: unknown,
  roles: RuleContext['roles'],
): CompiledCallers {
  const role = typeof name === 'string' ? roles.get(name) : undefined
  if (role !== undefined) return role
  return place.refuse(key, name, `is no role; there are ${[...roles.keys()].join(', ') || 'none'}`)
}

function checkPublic(place: Place, given: ReadonlyMap<string, unknown>): void {
  const key = `${place.root}.public`
  if (given.size > 1) place.refuse(place.root, [...given.keys()], '`public` stands alone')
  const reason = place.members(key, given.get('public'), ['reason']).get('reason')
  if (typeof reason !== 'string' || reason.trim() === '') {
    place.refuse(`${key}.reason`, reason, 'must say why everybody may call')
  }
}
