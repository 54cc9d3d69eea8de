import { identityOf } from '@fastify-spiffe/tls'
import type { FastifyInstance, FastifyPluginAsync } from 'fastify'
import { fastifyPlugin } from 'fastify-plugin'
import { SvidPluginError } from './errors.ts'
import { logCutClients } from './log/cut-clients.ts'
import { logRefusedMaterial } from './log/refused-material.ts'
import { logRotations } from './log/rotations.ts'
import { logSourceStates } from './log/source-states.ts'
import { readOptions, type SvidOptions } from './options.ts'
import { ServedSvid } from './served-svid.ts'

declare module 'fastify' {
  interface FastifyInstance {
    /** The SVID that this application's server presents: a live, read-only view. */
    readonly svid: ServedSvid
  }
}

async function plugin(fastify: FastifyInstance, options: SvidOptions): Promise<void> {
  const { source, closeSource } = readOptions(options)
  const identity = identityOf(fastify.server)
  if (identity === undefined) {
    const message =
      'the server presents no SVID: make the application with Fastify(spiffeServer(source))'
    throw new SvidPluginError('foreign-server', message)
  }
  if (identity.source !== source) {
    throw new SvidPluginError('source-mismatch', 'spiffeServer was given another source than svid')
  }
  fastify.decorate('svid', new ServedSvid(identity))
  const logs = [
    logRotations(fastify.server, fastify.log),
    logRefusedMaterial(fastify.server, source, fastify.log),
    logCutClients(fastify.server, fastify.log),
    logSourceStates(source, fastify.log),
  ]
  fastify.addHook('onClose', async () => {
    for (const end of logs) end()
    // A server that never listened does not close, and would follow its source for ever.
    identity.close()
    if (closeSource) await source.close()
  })
}

/**
 * Puts the SVID that the application's server presents at `fastify.svid`, and tells the log about its
 * rotations. The server itself comes from `Fastify(spiffeServer(source))`.
 *
 * @throws {@link SvidPluginError} `foreign-server`, `source-mismatch`, `unknown-option` or
 *   `invalid-option`, when the application boots
 */
export const svid: FastifyPluginAsync<SvidOptions> = fastifyPlugin(plugin, {
  name: '@fastify-spiffe/svid',
  fastify: '5.x',
})
