import {
  where,
  type AuthzError,
  type AuthzErrorCode,
  type AuthzOptions,
} from '@fastify-spiffe/authz'
import type {
  DecisionEvent,
  Engine,
  Explanation,
  PolicyError,
  PolicyErrorCode,
  RouteRule,
  RouteTable,
  RuleMode,
  Tenant,
  TenantSource,
} from '@fastify-spiffe/policy'
import { expect, test } from '@jest/globals'
import type { FastifyContextConfig, FastifyRequest } from 'fastify'
import { holds, type Equals } from './equals.ts'

test('a route takes a rule, or the name of one, as its config.spiffe', () => {
  holds<Equals<FastifyContextConfig['spiffe'], RouteRule | string | undefined>>()
  holds<Equals<FastifyRequest['tenant'], Tenant | null>>()
})

test('a rule takes no key that it does not have, and no value of another type', () => {
  // @ts-expect-error -- no such key
  const misspelt: RouteRule = { alow: ['spiffe://example.org/web'] }
  // @ts-expect-error -- a list
  const single: RouteRule = { allow: 'spiffe://example.org/web' }
  // @ts-expect-error -- only `true`: leave it out instead
  const off: RouteRule = { anyAuthenticated: false }
  // @ts-expect-error -- for those who read the code
  const unexplained: RouteRule = { public: {} }
  // @ts-expect-error -- read-only
  const write = (rule: RouteRule): unknown => (rule.mode = 'enforce')
  expect([misspelt, single, off, unexplained, write]).toBeDefined()
  holds<Equals<RuleMode, 'enforce' | 'shadow'>>()
})

test('a rule names its tenant by a parameter, a header or the host', () => {
  const sources: TenantSource[] = ['params.tenant', 'headers.x-tenant', 'host']
  // @ts-expect-error -- nowhere else
  sources.push('query.tenant')
  expect(sources).toBeDefined()
})

test('a condition reads what it declares, by type, and nothing else', () => {
  const condition = where(
    ({ method, 'params.tenant': tenant }) => {
      holds<Equals<typeof method, string>>()
      holds<Equals<typeof tenant, string | undefined>>()
      return tenant === 'acme'
    },
    { reads: ['method', 'params.tenant'] },
  )
  where(
    // @ts-expect-error -- not declared
    ({ route }) => route === '/',
    { reads: ['method'] },
  )
  // @ts-expect-error -- no attribute
  where(() => true, { reads: ['weather'] })
  // @ts-expect-error -- text lets in nobody
  where(() => 'yes', { reads: [] })
  expect(condition).toBeDefined()
})

test('an engine answers by a boolean, now or later', () => {
  holds<Equals<ReturnType<Engine['decide']>, boolean | Promise<boolean>>>()
  // @ts-expect-error -- no cost
  const engine: Engine = { name: 'opa', decide: () => true }
  expect(engine).toBeDefined()
})

test('options that do not exist do not compile', () => {
  // @ts-expect-error -- misspelt
  const options: AuthzOptions = { tenants: { trustDomian: 'example.org' } }
  expect(options).toBeDefined()
})

test('errors have the closed union of codes of their package', () => {
  holds<Equals<AuthzError['code'], AuthzErrorCode>>()
  holds<Equals<PolicyError['code'], PolicyErrorCode>>()
  holds<Equals<string extends AuthzErrorCode ? true : false, false>>()
  holds<Equals<string extends PolicyErrorCode ? true : false, false>>()
})

test('what decisions are reported as is read-only, down to the lists', () => {
  const write = (event: DecisionEvent, explanation: Explanation, table: RouteTable): void => {
    // @ts-expect-error -- read-only
    event.decision = 'allow'
    // @ts-expect-error -- read-only
    explanation.findings.pop()
    // @ts-expect-error -- read-only
    table.routes.pop()
  }
  expect(write).toBeInstanceOf(Function)
  holds<Equals<DecisionEvent['decision'], 'allow' | 'deny'>>()
})
