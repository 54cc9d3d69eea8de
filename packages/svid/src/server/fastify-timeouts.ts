import type { Http2SecureServer } from 'node:http2'
import type { Server } from 'node:https'

/** The options of `Fastify()` that govern its server. */
type Timeout =
  | 'connectionTimeout'
  | 'keepAliveTimeout'
  | 'requestTimeout'
  | 'maxRequestsPerSocket'
  | 'http2SessionTimeout'

/**
 * Applies the timeouts of `Fastify()`, which it sets on its own servers, but not on those of a `serverFactory`.
 *
 * @param completed the options that Fastify hands to a factory, validated and with its defaults
 */
export function withTimeouts<AnyServer extends Server | Http2SecureServer>(
  server: AnyServer,
  completed: Record<string, unknown>,
): AnyServer {
  const valueOf = (name: Timeout): number => Number(completed[name])
  const maxRequestsPerSocket = valueOf('maxRequestsPerSocket')
  server.setTimeout(valueOf('connectionTimeout'))
  // Set on HTTP/2 servers as well: with `allowHTTP1` Node heeds them for its HTTP/1.1 connections.
  Object.assign(server, {
    keepAliveTimeout: valueOf('keepAliveTimeout'),
    requestTimeout: valueOf('requestTimeout'),
    // 0 is Fastify's default, and means no limit.
    ...(maxRequestsPerSocket > 0 && { maxRequestsPerSocket }),
  })
  if ('updateSettings' in server) {
    server.on('session', (session) =>
      session.setTimeout(valueOf('http2SessionTimeout'), () => session.close()),
    )
  }
  return server
}
