import { AsyncLocalStorage } from 'node:async_hooks'
import type { CallChain, Peer } from '@fastify-spiffe/plugin-kit'
import type { SpiffeId } from '@fastify-spiffe/spiffe'
import { ChainError } from '../errors.ts'
import type { ChainHeaders, ChainSender } from '../send/chain-sender.ts'
import type { RelayedRequest } from '../wire/request-hash.ts'

/** Who calls, and on whose behalf. It has neither the request nor a key. */
interface CallContext {
  readonly peer: Peer | null
  readonly chain: CallChain | null
  readonly sender: ChainSender
}

// It costs nothing until a context is entered.
const storage = new AsyncLocalStorage<CallContext>()

/** Calls `run` in the context of a call, which everything has that it starts. */
export function runInContext<T>(context: CallContext, run: () => T): T {
  return storage.run(context, run)
}

/**
 * Returns the verified peer of the call that is being handled, in any function that its handler has called or scheduled;
 * `null` outside of one, and for a caller without an identity.
 */
export function currentPeer(): Peer | null {
  return storage.getStore()?.peer ?? null
}

/** Returns the chain of the call that is being handled; `null` outside of one, and where the caller acts for itself. */
export function currentChain(): CallChain | null {
  return storage.getStore()?.chain ?? null
}

/**
 * Returns the headers with which the call that is being handled is continued to `audience`, as `request.chainHeaders` does.
 *
 * @param audience - the SPIFFE ID of one workload: the very one that the client demands of the server, unless that is a relay
 * @param request - the request, if a relay stands before the audience. The headers are then good for it alone, once, and for 60 s.
 * @throws {@link ChainError} `no-context` outside of a call; `invalid-audience`, `invalid-request`, `not-handed-to`, `no-svid`,
 *   `key-unsupported`, `chain-expired`, `chain-too-deep`, `chain-too-large`
 */
export function chainHeaders(audience: SpiffeId | string, request?: RelayedRequest): ChainHeaders {
  const context = storage.getStore()
  if (context !== undefined) return context.sender.headersFor(audience, context.chain, request)
  throw new ChainError('no-context', 'chainHeaders was called outside of a request')
}

/**
 * Leaves the context: what `run` calls and schedules acts for this service alone, and the headers that it makes begin a chain
 * of their own.
 */
export function asItself<T>(run: () => T): T {
  const context = storage.getStore()
  if (context === undefined) return run()
  return storage.run({ peer: null, chain: null, sender: context.sender }, run)
}
