import { peerOf } from '@fastify-spiffe/tls'
import type { FastifyInstance } from 'fastify'

/**
 * Adds `spiffeId` to the log of every request, the first line included. It is bound when the request's
 * logger is made, which is cheaper than a second child. A factory that the application has set is kept.
 */
export const logSpiffeIds = (fastify: FastifyInstance): void => {
  // A logger that is its own child writes nothing: that is Fastify's when logging is off.
  if (fastify.log.child({}) === fastify.log) return
  const inner = fastify.childLoggerFactory
  fastify.setChildLoggerFactory(function childLogger(logger, bindings, options, raw) {
    const peer = peerOf(raw.socket)
    const named = peer == null ? bindings : { ...bindings, spiffeId: peer.spiffeId.toString() }
    return inner.call(this, logger, named, options, raw)
  })
}
