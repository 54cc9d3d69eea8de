import type { FastifyInstance, FastifyPluginAsync, FastifyReply, RouteHandlerMethod } from 'fastify'
import { matchesEntityTag } from './entity-tag.ts'
import { readOptions, type BundleEndpointOptions } from './options.ts'
import { BundlePublisher } from './publisher.ts'
import { PublisherReport } from './report.ts'
import { findSources } from './sources.ts'

/** In seconds. SPIFFE Federation §6.2: consumers do not retry aggressively anyway. */
const RETRY_AFTER = '60'

const PUBLIC = {
  public: {
    reason:
      'a bundle endpoint: consumers have no identity here yet, and a bundle holds public keys alone',
  },
}

async function plugin(fastify: FastifyInstance, options: BundleEndpointOptions): Promise<void> {
  const settings = readOptions(options)
  const sources = findSources(fastify.server, settings)
  const report = new PublisherReport(fastify.log)
  const publisher = await BundlePublisher.open(sources, { ...settings, report })
  // Before any `onClose`: a subscription would keep the plugin svid from closing the source.
  fastify.addHook('preClose', async () => publisher.close())
  fastify.route({
    method: ['GET', 'HEAD'],
    url: settings.path,
    handler: answerFrom(publisher),
    // A rule that nothing enforces is refused.
    ...(fastify.hasDecorator('authz') && { config: { spiffe: PUBLIC } }),
  })
}

function answerFrom(publisher: BundlePublisher): RouteHandlerMethod {
  return function answer(request, reply) {
    const { publication } = publisher
    if (publication === null) return refuse(reply)
    const { body, entityTag } = publication
    // Whoever keeps it asks again before each use: an authority that was removed must not live on in a cache.
    reply.headers({
      etag: entityTag,
      'cache-control': 'no-cache',
      'x-content-type-options': 'nosniff',
    })
    if (matchesEntityTag(request.headers['if-none-match'], entityTag)) return reply.code(304).send()
    return reply.header('content-type', 'application/json').send(body)
  }
}

/** Sent rather than thrown: Fastify would log each such request as an error, and the report has said why once. */
function refuse(reply: FastifyReply): FastifyReply {
  reply.headers({ 'retry-after': RETRY_AFTER, 'cache-control': 'no-store' })
  return reply.code(503).send({
    statusCode: 503,
    error: 'Service Unavailable',
    message: 'no bundle is published now',
  })
}

/**
 * Serves the bundle of the own trust domain, its X.509 and JWT authorities, for other trust domains to fetch: a SPIFFE
 * bundle endpoint (SPIFFE Federation §5). It follows its sources, and holds the bundle as it is sent.
 *
 * The route takes GET and HEAD, and is public: where `authz` is registered before it, by a rule of its own. With
 * `prefix` and `logLevel` of `register()` it stands elsewhere, and logs less.
 *
 * @throws {@link BundleEndpointError} `unknown-option`, `invalid-option`, `not-a-spiffe-server`,
 *   `clients-need-certificates`, `not-a-web-server`, `plain-http`, `no-trust-domain`, `foreign-trust-domain`,
 *   `invalid-sequence-file`, when the application boots
 */
export const bundleEndpoint: FastifyPluginAsync<BundleEndpointOptions> = plugin
