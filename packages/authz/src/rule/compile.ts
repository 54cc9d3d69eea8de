import type { SpiffeId, SpiffeIdMatcher } from '@fastify-spiffe/spiffe'
import { allow, type Decision, deny } from '../decision.ts'
import { compileCondition } from '../step/condition-step.ts'
import type { StepContext, StepPlace } from '../step/compile.ts'
import { compileEngineUse } from '../step/engine-step.ts'
import type { Step } from '../step/step.ts'
import { type CompiledCallers, compileCallers } from './callers.ts'
import type { Place } from './place.ts'

/** A rule as requests meet it. */
export interface CompiledRule {
  /** What the identity alone decides. Allocates nothing. */
  readonly identify: (id: SpiffeId | null) => Decision
  /** What must hold as well, in order. */
  readonly steps: readonly Step[]
}

const KEYS = ['allow', 'deny', 'anyAuthenticated', 'public', 'where', 'engines'] as const
const GRANTS = ['allow', 'anyAuthenticated', 'public'] as const

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
export function compileRule(place: Place, rule: unknown, context: StepContext): CompiledRule {
  const { root } = place
  const given = place.members(root, rule, KEYS)
  const grants = GRANTS.filter((grant) => given.has(grant))
  if (grants.length !== 1) {
    return place.refuse(root, rule, `must have exactly one of ${GRANTS.join(', ')}`)
  }
  if (given.has('public')) {
    checkPublic(place, given)
    return { identify: () => PUBLIC, steps: [] }
  }
  const allowed = compileGrant(place, given)
  const denied = given.has('deny')
    ? compileCallers(place, `${root}.deny`, given.get('deny')).matcher
    : null
  return {
    identify: identifier(allowed?.matcher ?? null, denied),
    steps: compileSteps(place, given, allowed?.others ?? null, context),
  }
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

/** Whom `allow` names; `null` for `anyAuthenticated`. */
function compileGrant(place: Place, given: ReadonlyMap<string, unknown>): CompiledCallers | null {
  if (given.has('anyAuthenticated')) {
    const value = given.get('anyAuthenticated')
    return value === true
      ? null
      : place.refuse(`${place.root}.anyAuthenticated`, value, 'must be true')
  }
  const key = `${place.root}.allow`
  const list = given.get('allow')
  if (Array.isArray(list) && list.length === 0) return place.refuse(key, list, 'lets nobody in')
  return compileCallers(place, key, list)
}

function checkPublic(place: Place, given: ReadonlyMap<string, unknown>): void {
  const key = `${place.root}.public`
  if (given.size > 1) place.refuse(place.root, [...given.keys()], '`public` stands alone')
  const reason = place.members(key, given.get('public'), ['reason']).get('reason')
  if (typeof reason !== 'string' || reason.trim() === '') {
    place.refuse(`${key}.reason`, reason, 'must say why everybody may call')
  }
}
