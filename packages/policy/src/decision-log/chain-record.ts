import type { SpiffeId } from '@fastify-spiffe/spiffe'
import { type CallChain, chainDepth } from '../call.ts'

/** More than chains of `@fastify-spiffe/chain` have. */
const MAX_VIA = 8
/** Characters of all of them together: twice what one SPIFFE ID may have. */
const MAX_VIA_LENGTH = 4096

/** On whose behalf a call was made, as it is kept and written. Its size is bounded, whatever carries the chain. */
export interface ChainRecord {
  /** The SPIFFE ID of the workload that the call was made for. */
  readonly origin: string
  /** Those of the workloads between it and the caller, in order: as many of the first as are kept. */
  readonly via: readonly string[]
  readonly evidence: CallChain['evidence']
  /** How many workloads the call came from, the caller included, also those that are not in `via`. */
  readonly chain_depth: number
}

/** @param caller - the last of the chain */
export function chainRecordOf(caller: SpiffeId, chain: CallChain): ChainRecord {
  const { origin, evidence } = chain
  return {
    origin: origin.toString(),
    via: firstOf(chain.via),
    evidence,
    chain_depth: chainDepth(caller, chain),
  }
}

function firstOf(via: readonly SpiffeId[]): readonly string[] {
  const kept: string[] = []
  let length = 0
  for (const id of via) {
    const text = id.toString()
    length += text.length
    if (kept.length === MAX_VIA || length > MAX_VIA_LENGTH) break
    kept.push(text)
  }
  return kept
}
