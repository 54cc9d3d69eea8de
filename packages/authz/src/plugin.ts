import { TrustDomain } from '@fastify-spiffe/spiffe'
import type { FastifyInstance, FastifyPluginAsync } from 'fastify'
import { fastifyPlugin } from 'fastify-plugin'
import type { Authz, TenantName } from './authz.ts'
import { DecisionCache } from './cache/decision-cache.ts'
import { Coverage } from './coverage.ts'
import { AuthzError } from './errors.ts'
import { Gate } from './gate.ts'
import { type AuthzOptions, readOptions } from './options.ts'
import { Place } from './rule/place.ts'
import { RouteRules } from './rule/route-rules.ts'
import { compileTenantTemplate, type TenantResolver, tenantKey } from './tenant.ts'

let registrations = 0

/**
 * Lets in whom the routes name, by `config.spiffe`, and nobody else. It holds for every route of the instance that it is
 * registered on, and of the instances within. Register it after `@fastify-spiffe/peer`, with `await`, and before the routes.
 *
 * @throws {AuthzError} `invalid-option` while it loads, `invalid-rule` where a route is declared, `uncovered-routes` when
 *   the application becomes ready
 */
export const authz: FastifyPluginAsync<AuthzOptions> = fastifyPlugin(plugin, {
  name: '@fastify-spiffe/authz',
  fastify: '5.x',
  decorators: { request: ['spiffeId', 'peer'] },
})

async function plugin(fastify: FastifyInstance, options: AuthzOptions): Promise<void> {
  if (fastify.hasDecorator('authz')) {
    throw new AuthzError(
      'invalid-option',
      'this instance, or one around it, has the plugin already',
    )
  }
  const settings = readOptions(options)
  const tenantOf = settings.tenant === undefined ? null : compileTenantTemplate(settings.tenant)
  const cache = new DecisionCache(settings)
  const { engines, timeoutMs } = settings
  let steps = 0
  const rules = new RouteRules({ tenantOf, engines, timeoutMs, nextIndex: () => steps++ })
  const gate = new Gate({
    name: `spiffeAuthz${++registrations}`,
    rules,
    notFound:
      settings.notFound === undefined ? null : rules.compile(Place.ofNotFound(), settings.notFound),
    tenantOf,
    cache,
    clock: settings.clock,
  })
  const coverage = new Coverage(gate.hook.name)

  fastify.decorate('authz', authzOf(cache))
  if (tenantOf !== null) decorateTenant(fastify, tenantOf)
  fastify.addHook('onRoute', (route) => coverage.add(route, rules.attach(route)))
  fastify.addHook('onRequest', gate.hook)
  fastify.addHook('onClose', async () => {
    await Promise.all(Array.from(engines.values(), async (engine) => engine.close?.()))
  })
  fastify.addHook('onReady', async () => coverage.assertComplete(fastify))
}

function authzOf(cache: DecisionCache): Authz {
  return Object.freeze({
    invalidate: (tenant?: TenantName) => {
      cache.invalidate(tenant === undefined ? undefined : keyOf(tenant))
    },
    stats: () => cache.stats(),
  })
}

/** The `null` of a request without tenant must not mean everybody. */
function keyOf(tenant: TenantName | null): string {
  const { trustDomain, name } = tenant ?? { trustDomain: '', name: '' }
  if (typeof name !== 'string' || name === '') {
    throw new AuthzError('invalid-tenant', 'a tenant has a trust domain and a name')
  }
  return tenantKey(
    typeof trustDomain === 'string' ? TrustDomain.parse(trustDomain) : trustDomain,
    name,
  )
}

function decorateTenant(fastify: FastifyInstance, tenantOf: TenantResolver): void {
  fastify.decorateRequest('tenant', {
    getter() {
      return this.spiffeId === null ? null : tenantOf(this.spiffeId)
    },
  })
}
