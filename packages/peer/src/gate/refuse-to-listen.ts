import type { Server } from 'node:net'
import { otherCopyOf } from '@fastify-spiffe/tls'
import { PeerError } from '../errors.ts'

/**
 * Makes a server that proves no peer fail to listen by an `error` event, so that `listen()` of the
 * application rejects. Such an application can still be used with `inject`.
 */
export function refuseToListen(server: Server): void {
  server.listen = () => {
    const message =
      otherCopyOf(server) ??
      'peer cannot verify the callers of this server: make the application with Fastify(spiffeServer(source))'
    process.nextTick(() => server.emit('error', new PeerError('not-a-spiffe-server', message)))
    return server
  }
}
