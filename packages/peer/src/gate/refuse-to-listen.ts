import type { Server } from 'node:net'
import tls from 'node:tls'
import { otherCopyOf } from '@fastify-spiffe/tls'
import { PeerError } from '../errors.ts'

/**
 * Makes a server that proves no peer fail to listen, so that `listen()` of the application rejects. Such an application can still be
 * used with `inject`.
 */
export function refuseToListen(server: Server): void {
  const message =
    otherCopyOf(server) ??
    'peer cannot verify the callers of this server: make the application with Fastify(spiffeServer(source))'
  failToListen(server, () => new PeerError('not-a-spiffe-server', message))
}

/** As {@link refuseToListen}, for a server whose callers prove themselves by tokens: only TLS keeps those secret. */
export function refuseUnlessSafeForTokens(server: Server, allowPlaintext: boolean): void {
  const copy = otherCopyOf(server)
  if (copy !== null) {
    failToListen(server, () => new PeerError('not-a-spiffe-server', copy))
  } else if (!(server instanceof tls.Server) && !allowPlaintext) {
    const message =
      'tokens would come over plain HTTP, where others can read and use them: end TLS here, or set jwt.allowPlaintext'
    failToListen(server, () => new PeerError('plaintext-server', message))
  }
}

/** By an `error` event, which Fastify waits for. */
function failToListen(server: Server, errorOf: () => PeerError): void {
  server.listen = () => {
    process.nextTick(() => server.emit('error', errorOf()))
    return server
  }
}
