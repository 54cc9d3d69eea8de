import type { Peer } from '@fastify-spiffe/plugin-kit'
import { peerOf } from '@fastify-spiffe/tls'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'

/**
 * Adds `spiffeId` to the log of every request, the first line included. It is bound when the logger of the
 * request is made, which is cheaper than a second child. The application's own factory is kept.
 */
export function logSpiffeIds(fastify: FastifyInstance): void {
  wrapLogger(fastify, spiffeIdBinding)
}

/** Adds the caller that the handshake has proven. */
export function spiffeIdBinding(bindings: Bindings, raw: RawRequest): Bindings {
  const peer = peerOf(raw.socket)
  return peer == null ? bindings : { ...bindings, spiffeId: peer.spiffeId.toString() }
}

type Factory = Parameters<Parameters<FastifyInstance['setChildLoggerFactory']>[0]>
type Bindings = Factory[1] & object
type RawRequest = Factory[3]

/** Changes what the logger of a request is made with, before its first line. */
export function wrapLogger(
  fastify: FastifyInstance,
  bind: (bindings: Bindings, raw: RawRequest) => Bindings,
): void {
  if (!isLogging(fastify)) return
  const inner = fastify.childLoggerFactory
  fastify.setChildLoggerFactory(function childLogger(logger, bindings, options, raw) {
    return inner.call(this, logger, bind(bindings, raw), options, raw)
  })
}

/** When logging is off, Fastify has a logger that is its own child and writes nothing. */
function isLogging({ log }: Pick<FastifyInstance, 'log'>): boolean {
  return log.child({}) !== log
}

/** Adds `spiffeId` to the log of a request whose caller was proven after the first line of it. */
export function logCaller(request: FastifyRequest, reply: FastifyReply, { spiffeId }: Peer): void {
  const log = request.log.child({ spiffeId: spiffeId.toString() })
  request.log = log
  reply.log = log
}
