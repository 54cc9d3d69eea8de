import type { CallChain, Peer } from '@fastify-spiffe/plugin-kit'
import type { MatcherInput, SpiffeId } from '@fastify-spiffe/spiffe'
import { sourceFault } from '@fastify-spiffe/spiffe/internal'
import { TlsError } from '@fastify-spiffe/tls'
import { runInContext } from './context/call-context.ts'
import { ChainError } from './errors.ts'
import { certifiedIdOf } from './certified-id.ts'
import { publishRefusal } from './events.ts'
import { reader } from './options.ts'
import { ChainSender, type ChainHeaders } from './send/chain-sender.ts'
import {
  ChainVerifier,
  type ChainVerification,
  type ChainVerifierOptions,
} from './verify/chain-verifier.ts'
import type { ChainFields } from './wire/headers.ts'
import type { RelayedRequest } from './wire/request-hash.ts'

/** Options of {@link Chains}. `source` is required. */
export interface ChainsOptions extends ChainVerifierOptions {
  /**
   * Who may receive tokens of this service: SPIFFE IDs, patterns or matchers, each of which names its trust domains. Whoever
   * receives one may act for this service, and for those that it acts for. Default: nobody.
   */
  readonly handTo?: readonly MatcherInput[]
  /** How long a token lives, in ms, from 20,000 to 300,000; it is reused for half of that. Default 120,000. */
  readonly tokenLifetimeMs?: number
}

const NAMES: readonly (keyof ChainsOptions)[] = [
  'source',
  'handTo',
  'relays',
  'tokenLifetimeMs',
  'revocation',
  'clockSkewMs',
  'clock',
]

/**
 * The chains of one service, whatever carries its calls: verifies those that callers present, and makes the headers that continue
 * them. The plugin `chain` uses it for Fastify.
 */
export class Chains {
  readonly #verifier: ChainVerifier
  readonly #sender: ChainSender

  /** @throws {@link ChainError} `unknown-option`, `invalid-option` */
  constructor(options: ChainsOptions) {
    reader.assertKnown('chain', options, NAMES)
    const { source, handTo = [], clock, tokenLifetimeMs, ...rules } = options
    const fault = sourceFault(source)
    if (fault !== undefined) throw new ChainError('invalid-option', `source ${fault}`)
    const now = reader.asFunction('clock', clock, Date.now)
    const lifetime = { min: 20_000, max: 300_000, defaultValue: 120_000 }
    this.#verifier = verifierOf({ source, clock: now, ...rules })
    this.#sender = new ChainSender({
      source,
      handTo,
      clock: now,
      tokenLifetimeMs: reader.asInteger('tokenLifetimeMs', tokenLifetimeMs, lifetime),
    })
  }

  /**
   * Verifies the chain of a call, and publishes a refusal on `spiffe:chain:refused`. Synchronous; what was sent never makes
   * it throw.
   *
   * @param fields - the values of `Svid-Chain` and `Svid-Chain-Certs`, one for each field line
   * @param peer - the verified peer of the connection; `null` for one without an identity. A chain is signed with the key of a
   *   certificate: a caller that a token has proven can present none.
   * @param request - what a relay has to present unchanged. Default: relays present nothing.
   */
  verify(
    fields: ChainFields,
    peer: Peer | null,
    request: RelayedRequest | null = null,
  ): ChainVerification {
    const verification = this.#verifier.verify(fields, certifiedIdOf(peer), request)
    if (!verification.ok) publishRefusal(verification.code, peer)
    return verification
  }

  /**
   * Returns the headers of a call to `audience` that continues `chain`; with `null`, of one that this service makes for itself.
   * A chain that a proxy forwarded is not carried on: this service is the origin then.
   *
   * @param audience - the SPIFFE ID of one workload: the very one that the client demands of the server, unless that is a
   *   relay
   * @param request - the request, if a relay stands before the audience. The headers are then good for it alone, once, and for 60 s.
   * @throws {@link ChainError} `invalid-audience`, `invalid-chain`, `invalid-request`, `not-handed-to`, `no-svid`,
   *   `key-unsupported`, `chain-expired`, `chain-too-deep`, `chain-too-large`
   */
  headersFor(
    audience: SpiffeId | string,
    chain: CallChain | null,
    request?: RelayedRequest,
  ): ChainHeaders {
    return this.#sender.headersFor(audience, chain, request)
  }

  /** Calls `run` in the context of a call, for `currentPeer`, `currentChain`, `chainHeaders` and `asItself`. */
  run<T>(peer: Peer | null, chain: CallChain | null, run: () => T): T {
    return runInContext({ peer, chain, sender: this.#sender }, run)
  }
}

function verifierOf(options: ChainVerifierOptions): ChainVerifier {
  try {
    return new ChainVerifier(options)
  } catch (cause) {
    if (!(cause instanceof TlsError)) throw cause
    throw new ChainError('invalid-option', cause.message, { cause })
  }
}
