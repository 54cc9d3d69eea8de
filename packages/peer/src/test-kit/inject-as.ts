import type { IncomingMessage, ServerResponse } from 'node:http'
import {
  presentChain,
  readPresentedChain,
  type PresentedChain,
  type TokenPeer,
} from '@fastify-spiffe/plugin-kit'
import { SpiffeId } from '@fastify-spiffe/spiffe'
import { presentPeer, type PresentedPeer } from '@fastify-spiffe/tls/test-kit'
import inject, { type InjectOptions, type Response } from 'light-my-request'
import { PeerError } from '../errors.ts'
import { presentToken } from '../request/presented-token.ts'
import { makeTokenPeer } from '../token/token-peer.ts'

/** The part of a Fastify instance that {@link injectAs} needs. */
export interface InjectableApplication {
  ready(): PromiseLike<unknown>
  routing(request: never, response: never): void
}

/** A caller with details of its proof, and of the chain of callers before it. */
export interface PresentedCaller extends PresentedPeer {
  /**
   * On whose behalf it calls: `request.chain` of an application with the plugin `chain` (or `forwarded`) of `@fastify-spiffe/chain`.
   * It was signed by nobody, so that `chainHeaders` cannot continue it. Default: it acts for itself.
   */
  readonly chain?: PresentedChain
  /**
   * By which proof it calls: `'jwt-svid'` for a token, of an application with the option `jwt`. `request.peer` has `proof: 'jwt-svid'` then. Any
   * other application sees a caller without identity. Default: a certificate.
   */
  readonly proof?: 'x509-svid' | 'jwt-svid'
  /** Claims of the token, beside `sub`. Default: none. */
  readonly claims?: Readonly<Record<string, unknown>>
}

/** The caller: a SPIFFE ID, or one with details of its proof, or `null` for one without a certificate. */
export type Caller = SpiffeId | string | PresentedCaller | null

/**
 * Works like `app.inject(options)`, with a proven caller: `request.peer` has `proof: 'test-kit'`, and is
 * valid for an hour unless `notAfter` is given. `null` is a caller without a certificate. It needs neither
 * a server nor a certificate.
 *
 * For tests only: it does not affect real connections, and throws when `NODE_ENV` is `production`.
 *
 * @throws {@link PeerError} `test-kit-refused`; {@link SpiffeError} `invalid-spiffe-id`; what the
 *   application threw when it booted
 */
export async function injectAs(
  app: InjectableApplication,
  caller: Caller,
  options: InjectOptions | string,
): Promise<Response> {
  if (process.env['NODE_ENV'] === 'production') {
    throw new PeerError('test-kit-refused', 'injectAs does not work when NODE_ENV is production')
  }
  const presented = presentedBy(caller)
  const chain = presented?.chain && readPresentedChain(presented.chain)
  await app.ready()
  return inject((request: IncomingMessage, response: ServerResponse) => {
    if (presented?.proof === 'jwt-svid') presentToken(request.socket, tokenPeerFrom(presented))
    const peer = presentPeer(request.socket, presented?.proof === 'jwt-svid' ? null : presented)
    if (peer !== null && chain !== undefined) presentChain(peer, chain)
    // An HTTP/2 application accepts it as well: Fastify's own inject passes the same.
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion
    app.routing(request as never, response as never)
  }, options)
}

const HOUR_MS = 3_600_000

function tokenPeerFrom({ spiffeId, notAfter, claims = {} }: PresentedCaller): TokenPeer {
  const id = typeof spiffeId === 'string' ? SpiffeId.parse(spiffeId) : spiffeId
  return makeTokenPeer({
    spiffeId: id,
    notAfter: notAfter ?? Date.now() + HOUR_MS,
    audience: [],
    claims: { ...claims, sub: id.toString() },
  })
}

// Parsed here: an error while a request is dispatched would reject no promise.
function presentedBy(caller: Caller): PresentedCaller | null {
  if (caller === null) return null
  if (typeof caller === 'string') return { spiffeId: SpiffeId.parse(caller) }
  return 'spiffeId' in caller ? caller : { spiffeId: caller }
}
