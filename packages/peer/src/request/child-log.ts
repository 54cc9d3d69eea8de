import { peerOf } from '@fastify-spiffe/tls'
import type { FastifyInstance } from 'fastify'

/**
 * Adds `spiffeId` to the log of every request, the first line included. It is bound when the logger of the
 * request is made, which is cheaper than a second child. The application's own factory is kept.
 */
export function logSpiffeIds(fastify: FastifyInstance): void {
  // When logging is off, Fastify has a logger that is its own child and writes nothing.
  if (fastify.log.child({}) === fastify.log) return
  const inner = fastify.childLoggerFactory
  fastify.setChildLoggerFactory(function childLogger(logger, bindings, options, raw) {
    const peer = peerOf(raw.socket)
    const named = peer == null ? bindings : { ...bindings, spiffeId: peer.spiffeId.toString() }
    return inner.call(this, logger, named, options, raw)
  })
}
