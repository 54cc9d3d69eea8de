import type { Http2ServerRequest } from 'node:http2'
import type { FastifyReply, FastifyRequest } from 'fastify'

/** Lets the answers that are under way go out, and asks the client to take its leave with them. */
export const endConnection = (request: FastifyRequest, reply: FastifyReply): void => {
  if (isHttp2(request.raw)) {
    // GOAWAY. Undefined when the session has ended already.
    request.raw.stream.session?.close()
  } else {
    void reply.header('connection', 'close')
  }
}

const isHttp2 = (raw: object): raw is Http2ServerRequest =>
  (raw as Partial<Http2ServerRequest>).httpVersionMajor === 2
