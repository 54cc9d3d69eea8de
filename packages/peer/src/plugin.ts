import { offerBearer, outermostOf, refuseUnenforcedRules } from '@fastify-spiffe/plugin-kit'
import type { TrustDomain } from '@fastify-spiffe/spiffe'
import { identityOf } from '@fastify-spiffe/tls'
import type { FastifyInstance, FastifyPluginAsync, onRequestHookHandler } from 'fastify'
import { fastifyPlugin } from 'fastify-plugin'
import { PeerError } from './errors.ts'
import { refuseToListen, refuseUnlessSafeForTokens } from './gate/refuse-to-listen.ts'
import { gate } from './gate/gate.ts'
import { tokenGate } from './gate/token-gate.ts'
import { readOptions, type PeerOptions, type PeerSettings } from './options.ts'
import { isRegistered, register } from './registrations.ts'
import { logSpiffeIds } from './request/child-log.ts'
import { decorateRequests } from './request/slot.ts'
import { logWithoutTokens } from './token/log-without-tokens.ts'
import { LiveRequests } from './token/live-requests.ts'
import { TokenProof } from './token/token-proof.ts'
import { makeVerifier } from './token/token-verifier.ts'

async function plugin(fastify: FastifyInstance, options: PeerOptions): Promise<void> {
  if (isRegistered(fastify)) {
    const message =
      'peer is already registered on this instance, or on one that encloses it: register it once'
    throw new PeerError('already-registered', message)
  }
  const settings = readOptions(options)
  const identity = identityOf(fastify.server)
  const proof = tokenProofOf(settings, identity?.source)
  if (identity === undefined) refuseUnproven(fastify, settings)
  const hook = proof === null ? plainHook(fastify, settings) : tokenHook(fastify, settings, proof)
  decorateRequests(fastify)
  // A server that verifies nobody has nobody to disconnect.
  fastify.decorate('disconnectPeers', (predicate) => identity?.disconnectPeers(predicate) ?? 0)
  fastify.decorate('provableTrustDomains', () => {
    const sources = [...holderOf(identity?.source.bundles), ...holderOf(proof?.source.jwtBundles)]
    return sources.length === 0 ? null : new Set(sources.flatMap(namesOf))
  })
  fastify.addHook('onRequest', hook)
  const isFirst = register(fastify)
  const outermost = outermostOf(fastify)
  if (isFirst && outermost !== fastify) guardOutside(outermost, hook)
  refuseUnenforcedRules(new Set([outermost, fastify]), unenforcedRules)
}

function refuseUnproven({ server }: FastifyInstance, { tokens }: PeerSettings): void {
  if (tokens === null) refuseToListen(server)
  else refuseUnlessSafeForTokens(server, tokens.allowPlaintext)
}

function plainHook(fastify: FastifyInstance, settings: PeerSettings): onRequestHookHandler {
  if (settings.logSpiffeId) logSpiffeIds(fastify)
  return gate(settings.clock)
}

function tokenHook(
  fastify: FastifyInstance,
  { logSpiffeId, clock }: PeerSettings,
  proof: TokenProof,
): onRequestHookHandler {
  offerBearer(fastify.server)
  logWithoutTokens(fastify, logSpiffeId, proof.isTokenDecisive)
  const live = new LiveRequests((svid) => proof.holds(svid), clock)
  const isProving = identityOf(fastify.server) !== undefined
  return tokenGate({ clock, proof, live, isProving, logSpiffeId })
}

function tokenProofOf({ tokens }: PeerSettings, served: object | undefined): TokenProof | null {
  if (tokens === null) return null
  const { verifier, source } = makeVerifier(tokens, served)
  return new TokenProof(verifier, source, tokens)
}

type Bundles = Iterable<{ readonly trustDomain: TrustDomain }>

function holderOf(bundles: Bundles | undefined): readonly Bundles[] {
  return bundles === undefined ? [] : [bundles]
}

function namesOf(bundles: Bundles): readonly string[] {
  return Array.from(bundles, ({ trustDomain }) => trustDomain.name)
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
 * responds with 401 when there is no proof, or when it is no longer valid. With the option `jwt` a JWT-SVID in
 * `Authorization: Bearer` is a proof too, and one that is not good is refused beside any certificate. It does so for all requests of
 * the application, those that match no route included. The identity is available within the instance
 * that registers the plugin: register it on the outermost.
 *
 * `listen()` rejects with {@link PeerError} `not-a-spiffe-server` unless `spiffeServer` made the server, or the option `jwt` is
 * there; and then with `plaintext-server` on plain HTTP without `jwt.allowPlaintext`.
 *
 * @throws {@link PeerError} `unknown-option`, `invalid-option`, `already-registered` or `unenforced-rules`,
 *   when the application boots
 */
export const peer: FastifyPluginAsync<PeerOptions> = fastifyPlugin(plugin, {
  name: '@fastify-spiffe/peer',
  fastify: '5.x',
})
