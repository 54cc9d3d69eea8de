import type { FastifyInstance } from 'fastify'
import { spiffeIdBinding, wrapLogger } from '../request/child-log.ts'
import { takeBearer } from './bearer.ts'

/**
 * Takes the token off a request before the first line of its log, whose serializers may write headers, and names the caller that the
 * handshake has proven on each line.
 *
 * @param isTokenDecisive whether a token says who calls whatever the certificate says, so that the certificate must not
 */
export function logWithoutTokens(
  fastify: FastifyInstance,
  logSpiffeId: boolean,
  isTokenDecisive: boolean,
): void {
  // Fastify's own not-found handler has a logger that no plugin can change.
  fastify.server.prependListener('request', (raw) => void takeBearer(raw))
  wrapLogger(fastify, (bindings, raw) => {
    const { kind } = takeBearer(raw)
    const isNamed = logSpiffeId && !(isTokenDecisive && kind === 'token')
    return isNamed ? spiffeIdBinding(bindings, raw) : bindings
  })
}
