import type { X509MaterialSource } from '@fastify-spiffe/spiffe'
import { identityOf, otherCopyOf, type ServerIdentity } from '@fastify-spiffe/tls'
import type { FastifyInstance, FastifyPluginAsync } from 'fastify'
import { fastifyPlugin } from 'fastify-plugin'
import { SvidPluginError } from './errors.ts'
import { logRejectedClients } from './log/rejected-clients.ts'
import { logRefusedMaterial } from './log/refused-material.ts'
import { logRotations } from './log/rotations.ts'
import { logSourceStates } from './log/source-states.ts'
import { readOptions, type SvidOptions } from './options.ts'
import { ServedSvid } from './served-svid.ts'

declare module 'fastify' {
  interface FastifyInstance {
    /** The SVID that the server of this application presents: a live, read-only view. */
    readonly svid: ServedSvid
  }
}

async function plugin(fastify: FastifyInstance, options: SvidOptions): Promise<void> {
  if (fastify.hasDecorator('svid')) {
    const message =
      'svid is already registered on this instance, or on one that encloses it: register it once'
    throw new SvidPluginError('already-registered', message)
  }
  const { source, closeSource } = readOptions(options)
  const identity = identityOf(fastify.server)
  if (identity === undefined) {
    const message =
      otherCopyOf(fastify.server) ??
      'the server presents no SVID: make the application with Fastify(spiffeServer(source)); ' +
        '`fastify start` takes the options that a module exports with --options only'
    throw new SvidPluginError('not-a-spiffe-server', message)
  }
  if (identity.source !== source) {
    throw new SvidPluginError(
      'source-mismatch',
      'svid has another source than spiffeServer: pass the same source to both',
    )
  }
  fastify.decorate('svid', new ServedSvid(identity))
  // Two sibling instances that register it have the same server.
  const logs = followed.has(identity) ? [] : startLogs(fastify, source)
  followed.add(identity)
  fastify.addHook('onClose', async () => {
    for (const end of logs) end()
    // A server that never listened emits no `close`, and would stay subscribed to its source.
    identity.close()
    if (closeSource ?? !identity.isSourceShared) await source.close()
  })
}

const followed = new WeakSet<ServerIdentity>()

function startLogs({ server, log }: FastifyInstance, source: X509MaterialSource): (() => void)[] {
  return [
    logRotations(server, log),
    logRefusedMaterial(server, source, log),
    logRejectedClients(server, log),
    logSourceStates(server, source, log),
  ]
}

/**
 * Decorates the application with `fastify.svid`, the SVID that its server presents, and logs rotations,
 * rejected clients and the state of the source. The server is made by `Fastify(spiffeServer(source))`.
 *
 * @throws {@link SvidPluginError} `not-a-spiffe-server`, `source-mismatch`, `unknown-option`,
 *   `invalid-option` or `already-registered`, when the application boots
 */
export const svid: FastifyPluginAsync<SvidOptions> = fastifyPlugin(plugin, {
  name: '@fastify-spiffe/svid',
  fastify: '5.x',
})
