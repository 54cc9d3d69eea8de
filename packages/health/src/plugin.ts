import { identityOf, otherCopyOf } from '@fastify-spiffe/tls'
import type { X509MaterialSource } from '@fastify-spiffe/spiffe'
import type { FastifyInstance, FastifyPluginAsync } from 'fastify'
import { fastifyPlugin } from 'fastify-plugin'
import { askToLeave } from './drain.ts'
import { HealthError } from './errors.ts'
import { Health } from './health.ts'
import { type HealthOptions, type HealthSettings, readOptions } from './options.ts'
import { ServiceHealth } from './service-health.ts'
import { endOnSignals } from './signals.ts'

declare module 'fastify' {
  interface FastifyInstance {
    /** The health of this application, and its graceful end. */
    readonly health: Health
  }
}

async function plugin(fastify: FastifyInstance, options: HealthOptions): Promise<void> {
  if (fastify.hasDecorator('health')) {
    const message = 'health is already registered on this instance, or on one that encloses it'
    throw new HealthError('already-registered', message)
  }
  const settings = readOptions(options)
  const service = new ServiceHealth(fastify, sourceOf(fastify, settings), settings)
  const release = endOnSignals(service, settings.endOn, fastify.log)
  fastify.decorate('health', new Health(service))
  fastify.addHook('onRequest', askToLeave(service))
  // An application whose probes nobody can reach does not start.
  fastify.addHook('onReady', () => service.open())
  fastify.addHook('preClose', async () => service.closing())
  fastify.addHook('onClose', async () => {
    release()
    await service.close()
  })
}

function sourceOf(fastify: FastifyInstance, { source }: HealthSettings): X509MaterialSource {
  const found = source ?? identityOf(fastify.server)?.source
  if (found !== undefined) return found
  const message =
    otherCopyOf(fastify.server) ??
    'the server was not made by spiffeServer: pass the source of its SVID, as in { source }'
  throw new HealthError('no-source', message)
}

/**
 * Answers probes on a plain port of its own – `/livez`, `/readyz` and, with the option `metrics`, `/metrics` – and ends
 * the application gracefully. Probes have no certificate, so they cannot use the port of the application.
 *
 * The port is opened when the application is ready, and closed last.
 *
 * @throws {@link HealthError} `unknown-option`, `invalid-option`, `no-source`, `already-registered` or `cannot-listen`, when
 *   the application boots
 */
export const health: FastifyPluginAsync<HealthOptions> = fastifyPlugin(plugin, {
  name: '@fastify-spiffe/health',
  fastify: '5.x',
})
