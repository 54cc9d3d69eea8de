import { isTime, readCompactJwt } from '@fastify-spiffe/spiffe/internal'
import { errors } from 'jose'

/**
 * Refuses what two readers of a token could understand differently, or what is not a token at all: what
 * {@link readCompactJwt} refuses, and invalid times.
 *
 * @throws {errors.JWTInvalid}
 */
export function assertPlainToken(token: string): void {
  const jwt = readCompactJwt(token)
  if (typeof jwt === 'string') throw new errors.JWTInvalid(jwt)
  // RFC 7515 §4.1.11: no extension is understood here, so none may be critical.
  if (Object.hasOwn(jwt.header, 'crit')) throw new errors.JWTInvalid('critical extensions')
  for (const name of ['exp', 'nbf', 'iat']) {
    if (Object.hasOwn(jwt.claims, name) && !isTime(jwt.claims[name])) {
      throw new errors.JWTInvalid('a time that is none')
    }
  }
}
