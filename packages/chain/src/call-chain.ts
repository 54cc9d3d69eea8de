import { actorView, type CallActor, type CallChain } from '@fastify-spiffe/plugin-kit'
import type { SpiffeId } from '@fastify-spiffe/spiffe'
import type { VerifiedCertificate } from '@fastify-spiffe/tls'

/** One verified hop: the token that it signed, and its certificate. */
export interface VerifiedHop {
  readonly text: string
  readonly sub: SpiffeId
  readonly aud: SpiffeId
  /** Milliseconds since the epoch, exclusive. */
  readonly expiresAt: number
  readonly certificate: VerifiedCertificate
}

/** The only implementation. It is private to this package, so that no other code can make a chain. */
export class SignedChain implements CallChain {
  readonly origin: SpiffeId
  readonly via: readonly SpiffeId[]
  readonly caller: SpiffeId
  readonly evidence = 'signed'
  readonly depth: number
  readonly validUntil: number
  readonly act: CallActor
  readonly #hops: readonly VerifiedHop[]
  readonly #isRelayed: boolean

  /**
   * @param hops - origin first, and at least one
   * @param relay - the peer that presented them, if it is not the last of them: it is the caller then
   */
  constructor(hops: readonly VerifiedHop[], relay: SpiffeId | null = null) {
    this.#hops = hops
    this.#isRelayed = relay !== null
    const subjects = hops.map(({ sub }) => sub)
    if (relay !== null) subjects.push(relay)
    this.origin = subjects[0]!
    this.via = Object.freeze(subjects.slice(1, -1))
    this.caller = subjects.at(-1)!
    this.depth = subjects.length
    this.validUntil = endOf(hops)
    this.act = actorView(subjects)
    Object.freeze(this)
  }

  /** Whether a chain was verified here, and is no copy. */
  static is(chain: CallChain): chain is SignedChain {
    return #hops in chain
  }

  /** Whether a relay presented it. */
  static isRelayed(chain: CallChain | null): boolean {
    return chain !== null && SignedChain.is(chain) && chain.#isRelayed
  }

  static hopsOf(chain: SignedChain): readonly VerifiedHop[] {
    return chain.#hops
  }

  toJSON(): Record<string, unknown> {
    const { origin, via, caller, evidence, validUntil } = this
    return { origin, via, caller, evidence, validUntil }
  }
}

/** Milliseconds since the epoch: the first end of a token or of what its certificate is trusted by. */
export function endOf(hops: readonly VerifiedHop[]): number {
  return Math.min(
    ...hops.map(({ expiresAt, certificate }) => Math.min(expiresAt, certificate.currentUntil)),
  )
}
