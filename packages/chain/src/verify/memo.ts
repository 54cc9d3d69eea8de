import { hash } from 'node:crypto'
import type { SpiffeId } from '@fastify-spiffe/spiffe'
import { FairCache } from '@fastify-spiffe/spiffe/internal'
import { endOf, SignedChain, type VerifiedHop } from '../call-chain.ts'
import type { SingleFields } from '../wire/headers.ts'
import type { HopToken } from '../wire/token.ts'

/** A chain that was verified, as it was sent. */
interface Entry {
  readonly certificates: string
  readonly tokens: readonly HopToken[]
  readonly hops: readonly VerifiedHop[]
  readonly chain: SignedChain
  readonly octets: number
}

/** What is kept of an entry besides its text, roughly. */
const OVERHEAD_OCTETS = 2000
const MAX_OCTETS = 16 * 1024 * 1024

/**
 * Remembers the chains that were verified, by SHA-256 of `Svid-Chain`, with the very certificates that came with them. Callers share
 * it fairly. It holds what does not change: who may present a chain, when it ends and whether its certificates are still
 * trusted is asked each time.
 */
export class ChainMemo {
  readonly #entries = new FairCache<Entry>({
    maxWeight: MAX_OCTETS,
    weightOf: ({ octets }) => octets,
  })

  find({ chain, certificates }: SingleFields): Entry | undefined {
    const entry = this.#entries.get(keyOf(chain))
    return entry?.certificates === certificates ? entry : undefined
  }

  /** The chain of an entry whose tokens are valid now; `null` if a certificate in it is no longer trusted. */
  revive(fields: SingleFields, entry: Entry, now: number): SignedChain | null {
    const { hops, chain } = entry
    if (!hops.every(({ certificate }) => certificate.isCurrent(now))) {
      this.#entries.delete(keyOf(fields.chain))
      return null
    }
    // New revocation lists can change when trust ends.
    if (chain.validUntil === endOf(hops)) return chain
    return this.store(fields, entry.tokens, hops, chain.caller)
  }

  store(
    { chain: text, certificates }: SingleFields,
    tokens: readonly HopToken[],
    hops: readonly VerifiedHop[],
    caller: SpiffeId,
  ): SignedChain {
    const chain = new SignedChain(hops)
    const octets = text.length * 2 + certificates.length + OVERHEAD_OCTETS
    const entry = { certificates, tokens, hops, chain, octets }
    this.#entries.set(caller.toString(), keyOf(text), entry)
    return chain
  }
}

function keyOf(chain: string): string {
  return hash('sha256', chain, 'base64url')
}
