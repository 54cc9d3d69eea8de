import { SpiffeId } from '@fastify-spiffe/spiffe'
import type { ConnectionPeer } from '@fastify-spiffe/tls'
import type { Peer } from './caller-types.ts'
import type { CallActor, CallChain } from './chain-types.ts'

/** On whose behalf a caller that the test kit presents makes its call. */
export interface PresentedChain {
  /** The first workload: the one that the call is made for. */
  readonly origin: SpiffeId | string
  /** The workloads between origin and caller, in order. Default: none. */
  readonly via?: readonly (SpiffeId | string)[]
  /** `'forwarded'`: the caller is a proxy, and it is the plugin `forwarded` that sees the chain. Default `'signed'`. */
  readonly evidence?: 'signed' | 'forwarded'
  /** In ms since the epoch. Default: the end of the caller. */
  readonly validUntil?: number
}

/** What {@link readPresentedChain} gives: all but the caller. */
export type ReadPresentedChain = Pick<CallChain, 'origin' | 'via' | 'evidence'> & {
  readonly validUntil: number | undefined
}

const chains = new WeakMap<ConnectionPeer, CallChain>()

/** @throws {@link SpiffeError} `invalid-spiffe-id` */
export function readPresentedChain(presented: PresentedChain): ReadPresentedChain {
  const { origin, via = [], evidence = 'signed', validUntil } = presented
  return { origin: readId(origin), via: Object.freeze(via.map(readId)), evidence, validUntil }
}

function readId(id: SpiffeId | string): SpiffeId {
  return typeof id === 'string' ? SpiffeId.parse(id) : id
}

/** Gives the calls of a peer that the test kit has presented a chain. A peer that a handshake has proven gets none. */
export function presentChain(peer: ConnectionPeer, presented: ReadPresentedChain): void {
  if (peer.proof !== 'test-kit') return
  const { origin, via, evidence, validUntil = peer.notAfter } = presented
  const isOrigin = via.length === 0 && origin.equals(peer.spiffeId)
  const path = isOrigin ? [origin] : [origin, ...via, peer.spiffeId]
  const [depth, act] = [path.length, actorView(path)]
  const caller = peer.spiffeId
  chains.set(peer, Object.freeze({ origin, via, caller, evidence, depth, validUntil, act }))
}

/** The chain with which the test kit has presented a peer; `null` for any other. */
export function presentedChainOf(
  peer: Peer | null,
  evidence: CallChain['evidence'],
): CallChain | null {
  if (peer?.proof !== 'test-kit') return null
  const chain = chains.get(peer)
  return chain?.evidence === evidence ? chain : null
}

/** RFC 8693 §4.1: the subject, the current actor, and within it those before. */
export function actorView([origin, ...actors]: readonly SpiffeId[]): CallActor {
  let act: CallActor | undefined
  for (const actor of actors) act = Object.freeze({ sub: actor.toString(), ...(act && { act }) })
  return Object.freeze({ sub: origin!.toString(), ...(act && { act }) })
}
