import type { SpiffeId, SpiffeIdMatcher } from '@fastify-spiffe/spiffe'
import type { CompiledCondition } from '../condition/compile.ts'
import { compileCondition, type ConditionContext } from '../condition/compile.ts'
import { allow, type Decision, deny } from '../decision.ts'
import { type CompiledCallers, compileCallers } from './callers.ts'
import type { Place } from './place.ts'

/** A rule as requests meet it. */
export interface CompiledRule {
  /** Tells the rules of one plugin apart, in the keys of decisions. */
  readonly index: number
  /** What the identity alone decides. Allocates nothing. */
  readonly identify: (id: SpiffeId | null) => Decision
  readonly condition: CompiledCondition | null
}

const KEYS = ['allow', 'deny', 'anyAuthenticated', 'public', 'when'] as const
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
export function compileRule(
  place: Place,
  rule: unknown,
  index: number,
  context: ConditionContext,
): CompiledRule {
  const { root } = place
  const given = place.members(root, rule, KEYS)
  const grants = GRANTS.filter((grant) => given.has(grant))
  if (grants.length !== 1) {
    return place.refuse(root, rule, `must have exactly one of ${GRANTS.join(', ')}`)
  }
  if (given.has('public')) {
    checkPublic(place, given)
    return { index, identify: () => PUBLIC, condition: null }
  }
  const allowed = compileGrant(place, given)
  const denied = given.has('deny')
    ? compileCallers(place, `${root}.deny`, given.get('deny')).matcher
    : null
  const condition = given.has('when')
    ? compileCondition(place, given.get('when'), allowed?.others ?? null, context)
    : null
  return { index, identify: identifier(allowed?.matcher ?? null, denied), condition }
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
