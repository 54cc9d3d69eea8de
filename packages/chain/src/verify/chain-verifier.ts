import type { CallChain } from '@fastify-spiffe/plugin-kit'
import type { MatcherInput, SpiffeId, X509MaterialSource } from '@fastify-spiffe/spiffe'
import { CertificateVerifier, type CertificateVerifierOptions } from '@fastify-spiffe/tls'
import { SignedChain } from '../call-chain.ts'
import { refuse, type ChainRefusal } from '../refusal.ts'
import {
  readFields,
  singleFields,
  type ChainFields,
  type ReadChain,
  type SingleFields,
} from '../wire/headers.ts'
import type { RelayedRequest } from '../wire/request-hash.ts'
import { claimsRefusal, isBy, isLinked, type Presentation } from './claims.ts'
import { verifyHops } from './hops.ts'
import { ChainMemo } from './memo.ts'
import { Relays } from './relays.ts'
import { SingleUses } from './single-uses.ts'

/** Options of {@link ChainVerifier}. `source` is required. */
export interface ChainVerifierOptions extends Pick<
  CertificateVerifierOptions,
  'revocation' | 'clockSkewMs'
> {
  /** Gives the own SPIFFE ID, and the bundles to verify the certificates of hops with. */
  readonly source: X509MaterialSource
  /**
   * Who may present tokens of others: SPIFFE IDs, patterns or matchers, each of which names its trust domains. The sender binds
   * such a token to one request, which a relay can neither change nor repeat. Default: nobody.
   */
  readonly relays?: readonly MatcherInput[]
  /** The time in ms since the epoch. Default `Date.now`. */
  readonly clock?: () => number
}

/** A chain that holds, `null` where a call has none, or a refusal. */
export type ChainVerification =
  | { readonly ok: true; readonly chain: CallChain | null }
  | ChainRefusal

const NONE: ChainVerification = Object.freeze({ ok: true, chain: null })

/** Verifies the chains that callers present. Synchronous, and independent of what carries the call. */
export class ChainVerifier {
  readonly #source: X509MaterialSource
  readonly #clock: () => number
  readonly #certificates: CertificateVerifier
  readonly #memo = new ChainMemo()
  readonly #relays: Relays
  readonly #singleUses = new SingleUses()

  /** @throws {@link ChainError} `invalid-option`; {@link TlsError} `invalid-option` */
  constructor({ source, clock = Date.now, relays, ...rules }: ChainVerifierOptions) {
    this.#source = source
    this.#clock = clock
    this.#relays = new Relays(relays)
    this.#certificates = new CertificateVerifier({ source, ...rules })
  }

  /**
   * Verifies what a caller presents. What was sent never makes it throw.
   * @param caller - the verified peer of the connection; `null` for one without an identity
   * @param request - for tokens that a relay presents; `null`: none does
   */
  verify(
    fields: ChainFields,
    caller: SpiffeId | null,
    request: RelayedRequest | null,
  ): ChainVerification {
    const single = singleFields(fields)
    if (single === null) return NONE
    if ('ok' in single) return single
    const relayed = this.#relays.has(caller) ? request : null
    const presentation = { self: this.#self(), caller, relayed, now: this.#clock() }
    return this.#remembered(single, presentation) ?? this.#afresh(single, presentation)
  }

  #remembered(fields: SingleFields, presentation: Presentation): ChainVerification | null {
    const entry = this.#memo.find(fields)
    // What a relay presents is never taken from memory: it may come once.
    if (entry === undefined || !isBy(entry.tokens, presentation.caller)) return null
    const code = claimsRefusal(entry.tokens, presentation)
    if (code !== null) return refuse(code)
    const chain = this.#memo.revive(fields, entry, presentation.now)
    // A certificate that is not trusted any more is verified again, which says why.
    return chain && Object.freeze({ ok: true, chain })
  }

  #afresh(fields: SingleFields, presentation: Presentation): ChainVerification {
    const read = readFields(fields)
    if (!read.ok) return read
    if (!isLinked(read.tokens)) return refuse('chain-broken')
    const code = claimsRefusal(read.tokens, presentation)
    return code === null ? this.#verifyHops(fields, read, presentation) : refuse(code)
  }

  #verifyHops(
    fields: SingleFields,
    read: ReadChain,
    { caller, now }: Presentation,
  ): ChainVerification {
    const hops = verifyHops(read, this.#certificates, now)
    if ('ok' in hops) return hops
    if (isBy(read.tokens, caller)) {
      const chain = this.#memo.store(fields, read.tokens, hops, caller)
      return Object.freeze({ ok: true, chain })
    }
    const code = this.#singleUses.use(read.tokens.at(-1)!.claims, now)
    return code === null
      ? Object.freeze({ ok: true, chain: new SignedChain(hops, caller) })
      : refuse(code)
  }

  #self(): SpiffeId | null {
    try {
      return this.#source.svid?.spiffeId ?? null
    } catch {
      return null
    }
  }
}
