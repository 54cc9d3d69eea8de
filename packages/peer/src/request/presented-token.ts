import type { TokenPeer } from '@fastify-spiffe/plugin-kit'

const presented = new WeakMap<object, TokenPeer>()

/** Makes the test kit's caller with a token that of an injected request. */
export function presentToken(socket: object, peer: TokenPeer): void {
  presented.set(socket, peer)
}

/** The caller with a token that the test kit has presented; `null` for any other request. */
export function presentedTokenOf(socket: object): TokenPeer | null {
  return presented.get(socket) ?? null
}
