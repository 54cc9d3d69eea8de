import { logOnce, presentedChainOf } from '@fastify-spiffe/plugin-kit'
import type { FastifyInstance, FastifyPluginAsync } from 'fastify'
import { fastifyPlugin } from 'fastify-plugin'
import { ChainError } from './errors.ts'
import { certifiedIdOf } from './certified-id.ts'
import { forwardedRefused, type ForwardedRefusedEvent } from './events.ts'
import { headerLines } from './fastify-fields.ts'
import { ForwardedVerifier, type ForwardedVerification } from './forwarded/forwarded-verifier.ts'
import type { ForwardedOptions } from './forwarded/options.ts'
import { refuseForwarded } from './refusal.ts'
import { withoutFastifyOptions } from './options.ts'
import { decorateChain, FORWARDED, setChain } from './request-slot.ts'

async function plugin(fastify: FastifyInstance, options: ForwardedOptions): Promise<void> {
  assertPlace(fastify)
  const verifier = new ForwardedVerifier(withoutFastifyOptions(options))
  fastify.decorate(FORWARDED, true)
  decorateChain(fastify)
  fastify.addHook('onRequest', function spiffeForwarded(request, reply, done) {
    const { peer, chain } = request
    const found = verifier.verify((name) => headerLines(request, name), certifiedIdOf(peer))
    const verification = unlessSigned(found, chain !== null)
    if (!verification.ok) {
      const { code } = verification
      if (forwardedRefused.hasSubscribers) {
        forwardedRefused.publish(Object.freeze<ForwardedRefusedEvent>({ code, peer }))
      }
      const error = ChainError.unauthenticated()
      request.log.info(
        { code, statusCode: 401 },
        'request refused: its forwarded client is not valid',
      )
      logOnce(reply, error)
      done(error)
      return
    }
    const client = verification.chain ?? presentedChainOf(peer, 'forwarded')
    if (client !== null) setChain(request, client)
    done()
  })
}

/** Two origins of one call could be read in two ways. */
function unlessSigned(found: ForwardedVerification, isSigned: boolean): ForwardedVerification {
  if (!found.ok || found.chain === null || !isSigned) return found
  return refuseForwarded('forwarded-several')
}

/** @throws {@link ChainError} `already-registered`, `registered-late` */
function assertPlace(fastify: FastifyInstance): void {
  if (fastify.hasDecorator(FORWARDED)) {
    throw new ChainError('already-registered', 'forwarded is already registered: register it once')
  }
  if (!fastify.hasDecorator('authz')) return
  const message = 'register forwarded before authz, whose rules would not see the client otherwise'
  throw new ChainError('registered-late', message)
}

/**
 * Gives the client of a proxy that ends TLS in front of this service, as `request.chain` with `evidence: 'forwarded'`: the proxy
 * is the caller, and its client the origin. `request.spiffeId` stays what TLS has proven, which is the proxy.
 *
 * Only proxies that `proxies` lists are asked, by the SPIFFE ID of their connection, and for the clients that they may speak for.
 * The certificate is verified again; no text in a header is an identity. A request whose header is not valid gets 401.
 *
 * Register it after `@fastify-spiffe/peer` and the plugin `chain`, if there is one, and before `@fastify-spiffe/authz`.
 *
 * @throws {@link ChainError} `unknown-option`, `invalid-option`, `already-registered` or `registered-late`, when the application
 *   boots
 */
export const forwarded: FastifyPluginAsync<ForwardedOptions> = fastifyPlugin(plugin, {
  name: '@fastify-spiffe/chain-forwarded',
  fastify: '5.x',
  dependencies: ['@fastify-spiffe/peer'],
})
