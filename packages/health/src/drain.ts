import type { IncomingMessage } from 'node:http'
import type { Http2ServerRequest } from 'node:http2'
import type { FastifyReply, FastifyRequest, onRequestHookHandler } from 'fastify'
import type { ServiceHealth } from './service-health.ts'

/** While the application is about to end, whoever still has a connection gets an answer, and is asked to go. */
export function askToLeave(health: ServiceHealth): onRequestHookHandler {
  return function spiffeHealthDrain(request: FastifyRequest, reply: FastifyReply, done): void {
    if (health.isEnding) leave(request, reply)
    done()
  }
}

function leave({ raw }: FastifyRequest, reply: FastifyReply): void {
  // RFC 9113 §6.8: streams that are open end as usual, and new ones go elsewhere.
  if (isHttp2(raw)) raw.stream.session?.close()
  else reply.header('connection', 'close')
}

function isHttp2(raw: IncomingMessage | Http2ServerRequest): raw is Http2ServerRequest {
  return raw.httpVersionMajor === 2
}
