import type { Http2SecureServer } from 'node:http2'
import { bindPeer, peerOf } from '../peer/binding.ts'
import { connectionOf } from './live-connection.ts'

/**
 * Binds the peer of each HTTP/2 session to it, where it is found faster than through the proxy of its
 * socket, and tells its connection of it.
 */
export const followSessions = (server: Http2SecureServer): void => {
  server.prependListener('session', (session) => {
    const peer = peerOf(session.socket)
    if (peer !== undefined) bindPeer(session, peer)
    connectionOf(session.socket)?.carry(session)
  })
}
