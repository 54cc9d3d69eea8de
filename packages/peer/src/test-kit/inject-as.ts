import type { IncomingMessage, ServerResponse } from 'node:http'
import { SpiffeId } from '@fastify-spiffe/spiffe'
import { presentPeer, type PresentedPeer } from '@fastify-spiffe/tls/test-kit'
import inject, { type InjectOptions, type Response } from 'light-my-request'
import { PeerError } from '../errors.ts'

/** What {@link injectAs} needs of an application. Every Fastify instance has it. */
export interface InjectableApplication {
  ready(): PromiseLike<unknown>
  routing(request: never, response: never): void
}

/** Who calls: a SPIFFE ID, with particulars of its proof if a test minds them, or nobody. */
export type Caller = SpiffeId | string | PresentedPeer | null

/**
 * Works like `app.inject(options)`, with a caller: its `request.peer` says `proof: 'test-kit'`, for an
 * hour unless told. `null` is a caller without a certificate. No server and no certificate is needed.
 *
 * For tests only: real connections are beyond its reach, and under `NODE_ENV=production` it refuses.
 *
 * @throws {@link PeerError} `test-kit-refused`; {@link SpiffeError} `invalid-spiffe-id`; what the
 *   application threw when it booted
 */
export const injectAs = async (
  app: InjectableApplication,
  caller: Caller,
  options: InjectOptions | string,
): Promise<Response> => {
  if (process.env['NODE_ENV'] === 'production') {
    throw new PeerError('test-kit-refused', 'injectAs does not work under NODE_ENV=production')
  }
  const presented = presentedBy(caller)
  await app.ready()
  return inject((request: IncomingMessage, response: ServerResponse) => {
    presentPeer(request.socket, presented)
    // An HTTP/2 application takes it as well: Fastify's own inject hands it the same.
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion
    app.routing(request as never, response as never)
  }, options)
}

// Parsed here: what throws while a request is dispatched fails nobody's promise.
const presentedBy = (caller: Caller): PresentedPeer | null => {
  if (caller === null) return null
  if (typeof caller === 'string') return { spiffeId: SpiffeId.parse(caller) }
  return 'spiffeId' in caller ? caller : { spiffeId: caller }
}
