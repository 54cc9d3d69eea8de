import { outermostOf, PEER_KNOWN } from '@fastify-spiffe/plugin-kit'
import type { SpiffeId } from '@fastify-spiffe/spiffe'
import type { FastifyInstance, FastifyPluginAsync, FastifyRequest } from 'fastify'
import { fastifyPlugin } from 'fastify-plugin'
import {
  hasLostAllAccess,
  openWith,
  type RuleSet,
  type TenantResolver,
} from '@fastify-spiffe/policy/internal'
import { authzOf } from './authz.ts'
import { RequestReader } from './call/reader.ts'
import { AuthzError } from './errors.ts'
import { AuthorizationHook } from './hook/hook.ts'
import { type AuthzOptions, readOptions } from './options.ts'
import { Coverage } from './route-coverage/coverage.ts'
import { PublicRoutes } from './route-coverage/public-routes.ts'
import {
  countRegistration,
  isFirstOutside,
  isGuarded,
  markGuarded,
} from './route-coverage/registrations.ts'
import { RouteBinding } from './routes/route-binding.ts'
import { routerSettings } from './routing/router-settings.ts'
import { warnOfUnprovable } from './unprovable.ts'

/**
 * Admits only the callers that the rule of a route names, its `config.spiffe`. It applies to every
 * route of the instance that it is registered on, and of the instances inside. Register it after
 * `@fastify-spiffe/peer`, with `await`, and before the routes.
 *
 * @throws {AuthzError} `already-registered`, `peer-missing` while it loads, `uncovered-routes` when the application becomes ready
 * @throws {PolicyError} `unknown-option`, `invalid-option`, `invalid-policy` while it loads, `invalid-rule` where a route is declared
 */
export const authz: FastifyPluginAsync<AuthzOptions> = fastifyPlugin(plugin, {
  name: '@fastify-spiffe/authz',
  fastify: '5.x',
})

async function plugin(fastify: FastifyInstance, options: AuthzOptions): Promise<void> {
  assertPlace(fastify)
  const settings = readOptions(options)
  const reader = new RequestReader(settings.trustedProxies, fastify.hasRequestDecorator('chain'))
  const router = routerSettings(fastify)
  const publicRoutes = new PublicRoutes(fastify)
  const policy = await openWith(settings.policy, {
    reader,
    bind: (table) => new RouteBinding(table, router),
    log: fastify.log,
    onReplaced: ({ before, after }) => {
      disconnectRefused(fastify, before, after)
      warnOfRules()
    },
    onRecordError: (request, error) => request.log.error({ err: error }, 'decision not recorded'),
  })
  const warnOfRules = (): void => {
    publicRoutes.check(policy.publicRoutes())
    warnOfUnprovable(fastify, policy.trustDomains(), policy.controls.policyVersion)
  }
  const name = `spiffeAuthz${countRegistration(fastify)}`
  const hook = new AuthorizationHook(name, policy.point, { ...settings, reader })
  const coverage = new Coverage(name, router)

  fastify.decorate('authz', authzOf(policy.controls))
  if (policy.tenantOf !== null) decorateTenant(fastify, policy.tenantOf, policy.tenantSubject)
  fastify.addHook('onRoute', function addRoute(route) {
    coverage.add(this, route, policy.finder.attach(this, route))
  })
  fastify.addHook('onRequest', hook.handler)
  markGuarded(fastify)
  refuseOutside(fastify, hook)
  fastify.addHook('onClose', () => policy.close())
  fastify.addHook('onReady', async () => {
    coverage.assertComplete(fastify, (methods, url) => policy.finder.adopt(methods, url))
    await policy.boot()
    warnOfRules()
    await policy.follow()
  })
}

/** @throws {AuthzError} `already-registered`, `peer-missing` */
function assertPlace(fastify: FastifyInstance): void {
  if (fastify.hasDecorator('authz')) {
    const message =
      'authz was registered on this instance, or on one around it, already: once is enough'
    throw new AuthzError('already-registered', message)
  }
  if (fastify.hasRequestDecorator('spiffeId') && fastify.hasRequestDecorator('peer')) return
  const cure =
    PEER_KNOWN in outermostOf(fastify)
      ? 'was registered in another part of the application, which is encapsulated: register both on the same instance, ' +
        'or wrap the plugin that registers it with fastify-plugin'
      : 'has to be registered before it, on the same instance or on one around it'
  throw new AuthzError(
    'peer-missing',
    `authz needs the identity of the caller: @fastify-spiffe/peer ${cure}`,
  )
}

/**
 * If the plugin is registered on an encapsulated instance, lets no request reach code outside of
 * it, such as a not-found handler there, which no list of routes shows.
 */
function refuseOutside(fastify: FastifyInstance, hook: AuthorizationHook): void {
  const outermost = outermostOf(fastify)
  if (outermost === fastify || !isFirstOutside(outermost)) return
  outermost.addHook('onRequest', function spiffeAuthzOutside(request, reply, done) {
    if (isGuarded(request.server)) done()
    else hook.refuse(request, reply, done)
  })
}

/** Disconnects the callers that the former rules let in somewhere, and the new ones nowhere. */
function disconnectRefused(fastify: FastifyInstance, before: RuleSet, after: RuleSet): void {
  // Whoever proves callers otherwise than by @fastify-spiffe/peer may not be able to disconnect them.
  if (!fastify.hasDecorator('disconnectPeers')) return
  fastify.disconnectPeers(({ spiffeId }) => hasLostAllAccess(spiffeId, before, after))
}

function decorateTenant(
  fastify: FastifyInstance,
  tenantOf: TenantResolver,
  subjectOf: ((request: FastifyRequest) => SpiffeId | null) | null,
): void {
  fastify.decorateRequest('tenant', {
    getter() {
      const subject = subjectOf === null ? this.spiffeId : subjectOf(this)
      return subject === null ? null : tenantOf(subject)
    },
  })
}
