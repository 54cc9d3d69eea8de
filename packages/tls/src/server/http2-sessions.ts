import type { Http2SecureServer } from 'node:http2'
import { bindPeer, peerOf } from '../peer/binding.ts'
import { liveConnectionOf } from './live-connection.ts'

/**
 * Binds the peer of each HTTP/2 session to the session, from where it is read faster than through the
 * proxy of the socket, and records the session on its connection.
 */
export function trackHttp2Sessions(server: Http2SecureServer): void {
  server.prependListener('session', (session) => {
    const peer = peerOf(session.socket)
    if (peer !== undefined) bindPeer(session, peer)
    liveConnectionOf(session.socket)?.useHttp2(session)
  })
}
