import type { Http2SecureServer, ServerHttp2Session } from 'node:http2'
import { bindPeer, peerOf } from '../peer/binding.ts'
import { connectionOf } from './live-connection.ts'

/**
 * Binds the peer of each HTTP/2 session to it, where it is found faster than through the proxy of its
 * socket, tells its connection of it, and lets `server.close()` send the sessions home, which Node does by itself from 24 on.
 */
export const followSessions = (server: Http2SecureServer): void => {
  const sessions = new Set<ServerHttp2Session>()
  let closing = false
  server.prependListener('session', (session) => {
    const peer = peerOf(session.socket)
    if (peer !== undefined) bindPeer(session, peer)
    connectionOf(session.socket)?.carry(session)
    sessions.add(session)
    session.once('close', () => sessions.delete(session))
    // Its handshake was under way when the server closed.
    if (closing) session.close()
  })
  const close = server.close.bind(server)
  server.close = (callback) => {
    closing = true
    for (const session of sessions) session.close()
    return close(callback)
  }
  server.on('listening', () => void (closing = false))
}
