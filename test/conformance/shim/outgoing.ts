import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { codedErrorOf, createDispatcher, type SvidDispatcher } from '@fastify-spiffe/fetch'
import { matchAny, matchMemberOf, type MatcherInput } from '@fastify-spiffe/spiffe'
import { peerOf, TlsError, type ConnectionPeer } from '@fastify-spiffe/tls'
import type { X509MaterialSource } from '@fastify-spiffe/spiffe'
import { failed, rejected, type Answer } from './answer.ts'
import { isRefusal } from './dial.ts'
import { ownTokens } from './tokens.ts'

/** How the suite says which server it means. */
export interface ServerNotation {
  readonly id?: string
  readonly trustDomain?: string
  readonly any?: boolean
}

/** The body of `/v2/http/get` and `/v2/http/many`. */
export interface OutgoingCall {
  readonly url: string
  readonly server: ServerNotation
  readonly http2?: boolean
  /** Presents a JWT-SVID for it. */
  readonly audience?: string
}

export function matcherOf({ id, trustDomain, any }: ServerNotation): MatcherInput {
  if (id !== undefined) return id
  if (trustDomain !== undefined) return matchMemberOf(trustDomain)
  if (any === true) return matchAny()
  throw new TypeError('server must be { id }, { trustDomain } or { any: true }')
}

/** Makes a client for one command, and ends it. */
export async function withDispatcher<T>(
  source: X509MaterialSource,
  { url, server, http2 = false, audience }: OutgoingCall,
  use: (dispatcher: SvidDispatcher) => Promise<T>,
): Promise<T> {
  const audiences = audience === undefined ? {} : { [new URL(url).origin]: audience }
  const jwt = { audiences, tokens: ownTokens }
  const dispatcher = createDispatcher({ source, server: matcherOf(server), http2, jwt })
  try {
    return await use(dispatcher)
  } finally {
    await dispatcher.destroy()
  }
}

/** Observes which servers get requests, by origin. */
export function observePeers(onPeer: (origin: string, peer: ConnectionPeer) => void): Disposable {
  const listener = (message: unknown): void => {
    const { request, socket } = message as {
      readonly request: { readonly origin: string | URL }
      readonly socket: object
    }
    const peer = peerOf(socket)
    if (peer != null) onPeer(new URL(request.origin).origin, peer)
  }
  subscribe('undici:client:sendHeaders', listener)
  return {
    [Symbol.dispose]: () => {
      unsubscribe('undici:client:sendHeaders', listener)
    },
  }
}

/** The code of an error: the rule that a server broke, if the verifier refused it. */
export function codeOf(error: unknown): string {
  const coded = codedErrorOf(error)
  if (coded instanceof TlsError) return coded.rejection ?? coded.code
  if (coded !== undefined) return coded.code
  const cause = error instanceof Error ? error.cause : undefined
  for (const each of [cause, error]) {
    if (each instanceof Error) return 'code' in each ? String(each.code) : each.name
  }
  return 'unknown'
}

/** The answer for a request that failed: the library refused the server, or something else went wrong. */
export function failure(error: unknown): Answer {
  const coded = codedErrorOf(error)
  const isRefused =
    coded instanceof TlsError
      ? isRefusal(coded) || coded.code === 'server-not-allowed'
      : coded?.code === 'not-https'
  const { code, body } = coded !== undefined && isRefused ? rejected(coded) : failed(error)
  return { code, body: { ...body, code: codeOf(error), error: coded?.code ?? null } }
}
