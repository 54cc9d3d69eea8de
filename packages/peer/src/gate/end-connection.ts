import type { Http2ServerRequest } from 'node:http2'
import type { FastifyReply, FastifyRequest } from 'fastify'

/** Closes the connection of a request after its pending responses. */
export function endConnection(request: FastifyRequest, reply: FastifyReply): void {
  if (isHttp2(request.raw)) {
    // RFC 9113 §6.8: GOAWAY. Undefined when the session has already ended.
    request.raw.stream.session?.close()
  } else {
    void reply.header('connection', 'close')
  }
}

function isHttp2(raw: object): raw is Http2ServerRequest {
  return (raw as Partial<Http2ServerRequest>).httpVersionMajor === 2
}
