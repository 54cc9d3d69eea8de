import { outermostOf } from '@fastify-spiffe/plugin-kit'
import type { FastifyInstance, FastifyPluginAsync } from 'fastify'
import { fastifyPlugin } from 'fastify-plugin'
import { authzOf } from './api.ts'
import { assemble, type Parts } from './assembly.ts'
import { Gate } from './hook/hook.ts'
import { AuthzError } from './errors.ts'
import { type AuthzOptions, readOptions, type Settings } from './options.ts'
import {
  type EnforcedPolicy,
  FileWatcher,
  type TenantResolver,
} from '@fastify-spiffe/policy/internal'
import { warnOfUnprovable } from './unprovable.ts'
import { Coverage } from './route-coverage/coverage.ts'
import {
  countRegistration,
  isFirstOutside,
  isGuarded,
  markGuarded,
} from './route-coverage/registrations.ts'
import { routerSettings } from './routing/router-settings.ts'

/**
 * Lets in whom the routes name, by `config.spiffe`, and nobody else. It holds for every route of the instance that it is
 * registered on, and of the instances within. Register it after `@fastify-spiffe/peer`, with `await`, and before the routes.
 *
 * @throws {AuthzError} `unknown-option`, `invalid-option`, `already-registered`, `peer-missing` while it loads, `invalid-rule` where a route is declared, `uncovered-routes` when
 *   the application becomes ready
 */
export const authz: FastifyPluginAsync<AuthzOptions> = fastifyPlugin(plugin, {
  name: '@fastify-spiffe/authz',
  fastify: '5.x',
})

async function plugin(fastify: FastifyInstance, options: AuthzOptions): Promise<void> {
  assertPlace(fastify)
  const settings = readOptions(options)
  const parts = await assemble(fastify, settings)
  const { table, finder, publicRoutes, policy, replicas, decisionLog, tenantOf } = parts
  const gate = gateOf(settings, parts, countRegistration(fastify))
  const coverage = new Coverage(gate.hook.name, routerSettings(fastify))

  fastify.decorate('authz', authzOf(parts))
  if (tenantOf !== null) decorateTenant(fastify, tenantOf)
  fastify.addHook('onRoute', function addRoute(route) {
    coverage.add(this, route, finder.attach(this, route))
  })
  fastify.addHook('onRequest', gate.hook)
  markGuarded(fastify)
  refuseOutside(fastify, gate)
  let watcher: FileWatcher | undefined
  fastify.addHook('onClose', async () => {
    watcher?.close()
    await Promise.all([decisionLog?.close(), replicas?.close()])
    const closing = [...settings.engines.values(), ...settings.attributes.values()]
    await Promise.all(closing.map(async (it) => it.close?.()))
  })
  fastify.addHook('onReady', async () => {
    coverage.assertComplete(fastify, (methods, url) => finder.adopt(methods, url))
    await policy.boot()
    publicRoutes.check()
    warnOfUnprovable(fastify, table.active)
    await replicas?.start()
    const { file, watch } = settings.policy
    if (file === null || !watch) return
    watcher = follow(fastify, file, policy)
    await watcher.look()
  })
}

/** Whether `@fastify-spiffe/peer` was registered anywhere in an application stands on its outermost instance. */
const PEER_KNOWN = Symbol.for('@fastify-spiffe/peer.known')

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
    `authz does not know who calls: @fastify-spiffe/peer ${cure}`,
  )
}

/**
 * Where the plugin stands in an encapsulated instance, lets no request reach code outside of it, such as a not-found
 * handler there, which no list of routes shows.
 */
function refuseOutside(fastify: FastifyInstance, gate: Gate): void {
  const outermost = outermostOf(fastify)
  if (outermost === fastify || !isFirstOutside(outermost)) return
  outermost.addHook('onRequest', function spiffeAuthzOutside(request, reply, done) {
    if (isGuarded(request.server)) done()
    else gate.refuse({ request, reply, done })
  })
}

function gateOf(
  { tenants, lastDecisionHeader, clock }: Settings,
  parts: Parts,
  registration: number,
): Gate {
  const { mismatchStatus } = tenants
  const name = `spiffeAuthz${registration}`
  return new Gate({ ...parts, name, lastDecisionHeader, mismatchStatus, clock })
}

/** Reads the file again whenever it changes. */
function follow(fastify: FastifyInstance, file: string, policy: EnforcedPolicy): FileWatcher {
  const onChange = (): void => {
    policy.refresh().catch((error: unknown) => {
      const fields = { err: error, policyVersion: policy.version }
      fastify.log.error(fields, 'policy refused: the last good one stays')
    })
  }
  const onUnavailable = (message: string): void =>
    fastify.log.warn({ code: 'SPIFFE_AUTHZ_WATCH_UNAVAILABLE' }, message)
  return new FileWatcher([file], { onChange, onUnavailable })
}

function decorateTenant(fastify: FastifyInstance, tenantOf: TenantResolver): void {
  fastify.decorateRequest('tenant', {
    getter() {
      return this.spiffeId === null ? null : tenantOf(this.spiffeId)
    },
  })
}
