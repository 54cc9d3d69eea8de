import type { Server } from 'node:net'
import { otherCopyOf } from '@fastify-spiffe/tls'
import { PeerError } from '../errors.ts'

/**
 * Makes a server that proves nobody's identity fail to listen, the way that servers fail: `listen()` of
 * the application rejects. Such an application can still be tried with `inject`.
 */
export const refuseToListen = (server: Server): void => {
  server.listen = () => {
    const message =
      otherCopyOf(server) ??
      'peer cannot prove who calls this server: make the application with Fastify(spiffeServer(source))'
    process.nextTick(() => server.emit('error', new PeerError('not-a-spiffe-server', message)))
    return server
  }
}
