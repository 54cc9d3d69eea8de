import { outermostOf, refuseUnenforcedRules } from '@fastify-spiffe/plugin-kit'
import type { SpiffeId } from '@fastify-spiffe/spiffe'
import { identityOf, type ConnectionPeer } from '@fastify-spiffe/tls'
import type { FastifyInstance, FastifyPluginAsync, onRequestHookHandler } from 'fastify'
import { fastifyPlugin } from 'fastify-plugin'
import { PeerError } from './errors.ts'
import { refuseToListen } from './gate/refuse-to-listen.ts'
import { gate } from './gate/gate.ts'
import { readOptions, type PeerOptions } from './options.ts'
import { isRegistered, register } from './registrations.ts'
import { logSpiffeIds } from './request/child-log.ts'
import { decorateRequests } from './request/slot.ts'

/** Who calls: proven at the handshake, frozen, the same object for all requests of a connection. */
export type Peer = ConnectionPeer

declare module 'fastify' {
  interface FastifyRequest {
    /** Who calls, proven; `null` for a caller without a certificate, where the server allows that. */
    readonly spiffeId: SpiffeId | null
    /** The same with the particulars of the proof. */
    readonly peer: Peer | null
  }

  interface FastifyInstance {
    /**
     * Sends away the live callers that `predicate` names, such as those that a new policy refuses. From
     * this moment on their requests get 401; what is under way is answered, and their connections end.
     * Who connects anew is proven anew, and comes in: to keep a caller out is the part of the policy.
     *
     * Each is asked about once. When the predicate throws, nobody is sent away.
     *
     * @returns how many callers there were; several connections of one certificate are one caller
     * @throws `TlsError` `invalid-option` when the predicate says neither true nor false
     */
    readonly disconnectPeers: (predicate: (peer: Peer) => boolean) => number
    /**
     * By name, the trust domains whose bundles the service has at this moment: only their members can be proven. `null` where
     * the server proves nobody, as under `inject`.
     */
    readonly provableTrustDomains: () => ReadonlySet<string> | null
  }
}

async function plugin(fastify: FastifyInstance, options: PeerOptions): Promise<void> {
  if (isRegistered(fastify)) {
    const message =
      'peer was registered on this instance, or on one around it, already: once is enough'
    throw new PeerError('already-registered', message)
  }
  const { logSpiffeId, clock } = readOptions(options)
  const identity = identityOf(fastify.server)
  if (identity === undefined) refuseToListen(fastify.server)
  if (logSpiffeId) logSpiffeIds(fastify)
  decorateRequests(fastify)
  // A server that proves nobody has nobody to send away.
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

/** Nobody whose proof holds no more gets past this plugin by a route that stands outside of its instance. */
function guardOutside(outermost: FastifyInstance, hook: onRequestHookHandler): void {
  outermost.addHook('onRequest', function spiffePeerOutside(request, reply, done) {
    if (isRegistered(request.server)) done()
    else hook.call(this, request, reply, done)
  })
}

/**
 * Gives every request the proven identity of its caller, as `request.spiffeId` and `request.peer`, and
 * answers 401 to callers whose proof is missing or holds no more. It answers so for all requests of the
 * application, those that match no route included; the identity is there within the instance that it is
 * registered on: register it on the outermost.
 *
 * Listening fails with {@link PeerError} `not-a-spiffe-server` unless the server is one of `spiffeServer`.
 *
 * @throws {@link PeerError} `unknown-option`, `invalid-option`, `already-registered` or `unenforced-rules`,
 *   when the application boots
 */
export const peer: FastifyPluginAsync<PeerOptions> = fastifyPlugin(plugin, {
  name: '@fastify-spiffe/peer',
  fastify: '5.x',
})
