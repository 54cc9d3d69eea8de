import type { FastifyInstance } from 'fastify'
import { PolicyError, type RouteRule } from '@fastify-spiffe/policy'
import { type ScopeRule, snapshotOf } from '@fastify-spiffe/policy/internal'

// By registered symbols: the copy of this package that guards an instance may be another one.
const key: unique symbol = Symbol.for('@fastify-spiffe/authz.group')
const populated: unique symbol = Symbol.for('@fastify-spiffe/authz.populated')

interface Carrier {
  readonly [key]?: ScopeRule
  /** It has routes, of its own or of instances within. */
  readonly [populated]?: true
}

/**
 * Sets the rule of all routes of this instance, and of the instances within, that have none of
 * their own. A rule nearer to the route replaces it, except for `deny`: no inner rule admits a
 * caller that an outer one denies. Call it before the routes are declared, once for each instance.
 *
 * @throws {PolicyError} `invalid-rule`, also when the instance has a rule or routes already
 */
export function protect(instance: FastifyInstance, rule: RouteRule | string): void {
  if (Object.hasOwn(instance, key)) {
    throw new PolicyError('invalid-rule', 'protect(): this instance has a rule already')
  }
  if (Object.hasOwn(instance, populated)) {
    const why = 'this instance has routes already, which the rule would not hold for'
    throw new PolicyError('invalid-rule', `protect(): ${why}`)
  }
  const { prefix } = instance
  Object.defineProperty(instance, key, {
    value: { prefix, rule: snapshotOf(rule), outer: scopeOf(instance) },
  })
}

/** Takes note that an instance has a route: it is too late for {@link protect}, there and on the instances around. */
export function markHasRoutes(instance: object): void {
  for (let each: unknown = instance; isInstance(each); each = Object.getPrototypeOf(each)) {
    Object.defineProperty(each, populated, { value: true, configurable: true })
  }
}

function isInstance(value: unknown): value is object {
  return typeof value === 'object' && value !== null && 'addHook' in value
}

/** An instance within inherits from the one around, by its prototype. */
export function scopeOf(instance: object): ScopeRule | null {
  return (instance as Carrier)[key] ?? null
}
