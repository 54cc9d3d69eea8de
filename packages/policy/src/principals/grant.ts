import { type CompiledCallers, compileCallers, union } from './callers.ts'
import type { RuleLocation } from '../location.ts'

/** The callers that a rule lets in. */
export type Grant = CompiledCallers | 'anyAuthenticated' | 'public'

/** The callers who have a role, by its name. */
export type Roles = ReadonlyMap<string, CompiledCallers>

/**
 * Compiles what a rule says of who may call: `allow` and `roles`, or else one of `anyAuthenticated` and `public`.
 *
 * @throws {PolicyError} `invalid-rule`
 */
export function compileGrant(
  place: RuleLocation,
  given: ReadonlyMap<string, unknown>,
  roles: Roles,
): Grant {
  const { root } = place
  const namesCallers = given.has('allow') || given.has('roles')
  const ways = [namesCallers, given.has('anyAuthenticated'), given.has('public')].filter(Boolean)
  if (ways.length !== 1) {
    const why = 'must have allow or roles, or else one of anyAuthenticated, public'
    return place.refuse(root, Object.fromEntries(given), why)
  }
  if (namesCallers) return compileCallersOf(place, given, roles)
  if (given.has('public')) return compilePublic(place, given)
  const value = given.get('anyAuthenticated')
  if (value === true) return 'anyAuthenticated'
  return place.refuse(`${root}.anyAuthenticated`, value, 'must be true')
}

function compileCallersOf(
  place: RuleLocation,
  given: ReadonlyMap<string, unknown>,
  roles: Roles,
): CompiledCallers {
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
  const callers = union(lists)
  if (callers.entries.length > 0) return callers
  return place.fail(`${place.root}.roles`, 'admits nobody: no caller has one of these roles')
}

function someOf(place: RuleLocation, key: string, list: unknown): readonly unknown[] {
  if (!Array.isArray(list)) return place.refuse(key, list, 'must be a list')
  return list.length > 0 ? list : place.refuse(key, list, 'admits nobody')
}

function findRole(place: RuleLocation, key: string, name: unknown, roles: Roles): CompiledCallers {
  const role = typeof name === 'string' ? roles.get(name) : undefined
  if (role !== undefined) return role
  return place.refuse(
    key,
    name,
    `is not a role of the document; there are ${[...roles.keys()].join(', ') || 'none'}`,
  )
}

function compilePublic(place: RuleLocation, given: ReadonlyMap<string, unknown>): 'public' {
  const key = `${place.root}.public`
  if (given.size > 1)
    return place.refuse(place.root, [...given.keys()], '`public` excludes the others')
  const reason = place.members(key, given.get('public'), ['reason']).get('reason')
  if (typeof reason === 'string' && reason.trim() !== '') return 'public'
  return place.refuse(`${key}.reason`, reason, 'must say why everybody may call')
}
