import { logOnce, presentedChainOf } from '@fastify-spiffe/plugin-kit'
import type { SpiffeId } from '@fastify-spiffe/spiffe'
import type { FastifyInstance, FastifyPluginAsync, FastifyReply, FastifyRequest } from 'fastify'
import { fastifyPlugin } from 'fastify-plugin'
import { Chains, type ChainsOptions } from './chains.ts'
import { SignedChain } from './call-chain.ts'
import { ChainError } from './errors.ts'
import { publishRefusal } from './events.ts'
import { contentDigestOf, fieldsOf, relayedRequestOf } from './fastify-fields.ts'
import { reader, withoutFastifyOptions } from './options.ts'
import type { ChainRefusalCode } from './refusal.ts'
import { relayedBody } from './relayed-body.ts'
import { decorateChain, FORWARDED, setChain } from './request-slot.ts'
import type { ChainHeaders } from './send/chain-sender.ts'
import { readContentDigest } from './wire/content-digest.ts'
import type { RelayedRequest } from './wire/request-hash.ts'

/** Options of the plugin `chain`. `source` is required. */
export interface ChainOptions extends ChainsOptions {
  /**
   * Whether `currentPeer`, `currentChain` and `chainHeaders` work in all functions that a handler calls and schedules. Each
   * request then runs in an `AsyncLocalStorage`. Default `true`.
   */
  readonly context?: boolean
}

declare module 'fastify' {
  interface FastifyRequest {
    /**
     * Returns the headers with which this request is continued to `audience`, the SPIFFE ID of one workload: the very one
     * that the client demands of the server, unless that is a relay: the headers are then made for one request.
     *
     * @throws `ChainError` rather than returning the headers of a weaker chain
     */
    readonly chainHeaders: (audience: SpiffeId | string, request?: RelayedRequest) => ChainHeaders
  }

  interface FastifyInstance {
    /** Verifies chains and makes headers, for calls that no request of this application carries. */
    readonly chains: Chains
  }
}

async function plugin(fastify: FastifyInstance, options: ChainOptions): Promise<void> {
  if (fastify.hasDecorator('chains')) {
    const message =
      'chain is already registered on this instance, or on one that encloses it: register it once'
    throw new ChainError('already-registered', message)
  }
  if (fastify.hasDecorator('authz') || fastify.hasDecorator(FORWARDED)) {
    const message =
      'register chain before authz and forwarded, which would not see the chain otherwise'
    throw new ChainError('registered-late', message)
  }
  const { context, ...others } = options
  const chains = new Chains(withoutFastifyOptions(others))
  const hasContext = reader.asBoolean('context', context, true)
  const hasRelays = others.relays !== undefined && others.relays.length > 0
  fastify.decorate('chains', chains)
  decorateChain(fastify)
  fastify.decorateRequest('chainHeaders', function chainHeaders(audience, request) {
    return chains.headersFor(audience, this.chain, request)
  })
  addHooks(fastify, chains, { hasContext, hasRelays })
  if (hasRelays) addBodyHook(fastify)
}

function addHooks(
  fastify: FastifyInstance,
  chains: Chains,
  { hasContext, hasRelays }: { readonly hasContext: boolean; readonly hasRelays: boolean },
): void {
  fastify.addHook('onRequest', function spiffeChain(request, reply, done) {
    const fields = fieldsOf(request)
    const relayed = hasRelays && fields.chain.length > 0 ? relayedRequestOf(request) : null
    const verification = chains.verify(fields, request.peer, relayed)
    if (!verification.ok) {
      done(refuse(request, reply, verification.code))
      return
    }
    const found = verification.chain ?? presentedChainOf(request.peer, 'signed')
    setChain(request, found)
    if (hasContext) chains.run(request.peer, found, done)
    else done()
  })
  if (!hasContext) return
  // A body is read by events of the connection, which began before the request did.
  fastify.addHook('preValidation', function spiffeChainContext({ peer, chain }, _reply, done) {
    chains.run(peer, chain, done)
  })
}

/** A relay cannot change the body either: it is digested while it is read. */
function addBodyHook(fastify: FastifyInstance): void {
  fastify.addHook('preParsing', function spiffeRelayedBody(request, reply, payload, done) {
    if (!SignedChain.isRelayed(request.chain)) {
      done(null, payload)
      return
    }
    const body = relayedBody(payload, readContentDigest(contentDigestOf(request)), () => {
      publishRefusal('chain-request-mismatch', request.peer)
      return refuse(request, reply, 'chain-request-mismatch')
    })
    done(null, body)
  })
}

function refuse(request: FastifyRequest, reply: FastifyReply, code: ChainRefusalCode): ChainError {
  const error = ChainError.unauthenticated()
  request.log.info({ code, statusCode: 401 }, 'request refused: its chain is not valid')
  logOnce(reply, error)
  return error
}

/**
 * Verifies the chain of each request, `Svid-Chain` and `Svid-Chain-Certs`, and gives it as `request.chain`: on whose behalf the call
 * is made. A request whose chain is not valid gets 401, whatever its route. `request.spiffeId` stays what TLS has proven.
 *
 * Register it after `@fastify-spiffe/peer` and before `@fastify-spiffe/authz`.
 *
 * @throws {@link ChainError} `unknown-option`, `invalid-option`, `already-registered` or `registered-late`, when the application boots
 */
export const chain: FastifyPluginAsync<ChainOptions> = fastifyPlugin(plugin, {
  name: '@fastify-spiffe/chain',
  fastify: '5.x',
  dependencies: ['@fastify-spiffe/peer'],
})
