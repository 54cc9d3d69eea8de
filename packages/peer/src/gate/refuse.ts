import { logOnce } from '@fastify-spiffe/plugin-kit'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { PeerError } from '../errors.ts'
import type { TokenRefusal } from '../token/token-proof.ts'
import { endConnection } from './end-connection.ts'

/** Refuses a request on a connection whose peer is not proven, or no longer, and ends the connection. */
export function refuse(
  request: FastifyRequest,
  reply: FastifyReply,
  reason: 'not-accepted' | 'lapsed',
): PeerError {
  const error = PeerError.unauthenticated()
  endConnection(request, reply)
  request.log.info({ reason, statusCode: 401 }, 'request refused: the caller is not proven')
  logOnce(reply, error)
  return error
}

/**
 * Refuses a request whose token is not good (RFC 6750 §3.1). The caller does not learn why. The connection stays: behind a gateway it
 * is one for many callers.
 */
export function refuseToken(
  request: FastifyRequest,
  reply: FastifyReply,
  { code, claimedId }: TokenRefusal,
): PeerError {
  const error = PeerError.unauthenticated()
  reply.header('www-authenticate', 'Bearer error="invalid_token"')
  const fields = {
    reason: 'token-refused',
    code,
    statusCode: 401,
    ...(claimedId !== undefined && { claimedId: claimedId.toString() }),
  }
  request.log.info(fields, 'request refused: its token is not valid')
  logOnce(reply, error)
  return error
}
