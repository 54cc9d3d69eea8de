import { outermostOf, refuseUnenforcedRules } from '@fastify-spiffe/plugin-kit'
import { identityOf } from '@fastify-spiffe/tls'
import type { FastifyInstance, FastifyPluginAsync, onRequestHookHandler } from 'fastify'
import { fastifyPlugin } from 'fastify-plugin'
import { PeerError } from './errors.ts'
import { refuseToListen } from './gate/refuse-to-listen.ts'
import { gate } from './gate/gate.ts'
import { readOptions, type PeerOptions } from './options.ts'
import { isRegistered, register } from './registrations.ts'
import { logSpiffeIds } from './request/child-log.ts'
import { decorateRequests } from './request/slot.ts'

async function plugin(fastify: FastifyInstance, options: PeerOptions): Promise<void> {
  if (isRegistered(fastify)) {
    const message =
      'peer is already registered on this instance, or on one that encloses it: register it once'
    throw new PeerError('already-registered', message)
  }
  const { logSpiffeId, clock } = readOptions(options)
  const identity = identityOf(fastify.server)
  if (identity === undefined) refuseToListen(fastify.server)
  if (logSpiffeId) logSpiffeIds(fastify)
  decorateRequests(fastify)
  // A server that verifies nobody has nobody to disconnect.
  fastify.decorate('disconnectPeers', (predicate) => identity?.disconnectPeers(predicate) ?? 0)
  fastify.decorate('provableTrustDomains', () => {
    if (identity === undefined) return null
    return new Set(Array.from(identity.source.bundles, ({ trustDomain }) => trustDomain.name))
  })
  fastify.addHook('onRequest', gate(clock))
  const isFirst = register(fastify)
  const outermost = outermostOf(fastify)
  if (isFirst && outermost !== fastify) guardOutside(outermost, gate(clock))
  refuseUnenforcedRules(new Set([outermost, fastify]), unenforcedRules)
}

function unenforcedRules(routes: string): PeerError {
  const message =
    'routes with a rule (`config.spiffe`) that nothing enforces: register @fastify-spiffe/authz after ' +
    `@fastify-spiffe/peer, and before them:${routes}`
  return new PeerError('unenforced-rules', message)
}

/** Also guards the routes outside of the instance that registers the plugin. */
function guardOutside(outermost: FastifyInstance, hook: onRequestHookHandler): void {
  outermost.addHook('onRequest', function spiffePeerOutside(request, reply, done) {
    if (isRegistered(request.server)) done()
    else hook.call(this, request, reply, done)
  })
}

/**
 * Gives every request the proven identity of its caller, as `request.spiffeId` and `request.peer`, and
 * responds with 401 when there is no proof, or when it is no longer valid. It does so for all requests of
 * the application, those that match no route included. The identity is available within the instance
 * that registers the plugin: register it on the outermost.
 *
 * `listen()` rejects with {@link PeerError} `not-a-spiffe-server` unless `spiffeServer` made the server.
 *
 * @throws {@link PeerError} `unknown-option`, `invalid-option`, `already-registered` or `unenforced-rules`,
 *   when the application boots
 */
export const peer: FastifyPluginAsync<PeerOptions> = fastifyPlugin(plugin, {
  name: '@fastify-spiffe/peer',
  fastify: '5.x',
})
