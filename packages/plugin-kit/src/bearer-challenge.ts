/**
 * The property of a server whose application takes tokens. A registered symbol, so that several copies of the packages in one
 * process share it.
 */
const TAKES_TOKENS = Symbol.for('@fastify-spiffe/peer.takes-tokens')

/** Says of a server that its callers can prove themselves by a token. */
export function offerBearer(server: object): void {
  Object.defineProperty(server, TAKES_TOKENS, { value: true, configurable: true })
}

/**
 * The value of `WWW-Authenticate` for a caller that has proven nothing (RFC 6750 §3); `null` where no token would help.
 * RFC 9110 §15.5.2 wants one in every 401.
 */
export function bearerChallengeOf(server: object): string | null {
  return TAKES_TOKENS in server ? 'Bearer' : null
}
