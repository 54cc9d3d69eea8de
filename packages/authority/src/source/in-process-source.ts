import {
  BundleSet,
  JwtSvid,
  type JwtBundle,
  type JwtMaterialSource,
  type JwtSvidRequest,
  type SetTimer,
  type SourceState,
  type WaitOptions,
  type X509MaterialSource,
  type X509Svid,
} from '@fastify-spiffe/spiffe'
import { readAudience, Updates } from '@fastify-spiffe/spiffe/internal'
import { AuthorityError } from '../errors.ts'
import { reader } from '../options.ts'
import { Schedule } from '../schedule.ts'
import type { Workload } from '../workload/workload.ts'
import type { MintedCertificate } from '../minting/minted-certificate.ts'

interface Held {
  readonly minted: MintedCertificate
  readonly bundles: BundleSet
  readonly jwtBundles: BundleSet<JwtBundle>
  /** The SVID to present; `null` while there has been none that is valid. */
  readonly svid: X509Svid | null
  /** What was issued last, while it is not valid yet. */
  readonly waiting: X509Svid | null
}

interface SourceTimes {
  readonly clock: () => number
  readonly setTimer: SetTimer
}

/**
 * A source of X.509 and JWT material inside the process: it follows the rotations and the federation of its
 * authority, without a socket. A test can make it fail in the ways of a real source.
 */
export class InProcessSource implements X509MaterialSource, JwtMaterialSource {
  readonly #workload: Workload
  readonly #clock: () => number
  readonly #updates = new Updates()
  readonly #expiry: Schedule
  readonly #start: Schedule
  #held: Held
  #denied = false
  #interrupted = false
  #closed = false

  /** @throws {@link SpiffeError} `invalid-svid` and others, when the template does not yield a good SVID */
  constructor(workload: Workload, { clock, setTimer }: SourceTimes) {
    this.#workload = workload
    this.#clock = clock
    this.#held = this.#read()
    this.#expiry = new Schedule(clock, setTimer, () => this.#updates.notify())
    this.#start = new Schedule(clock, setTimer, () => this.#take())
    this.#await()
    workload.onUpdate(() => {
      if (!this.#interrupted) this.#follow()
    })
  }

  get state(): SourceState {
    if (this.#closed) return 'closed'
    if (this.#denied) return 'denied'
    const { svid, waiting } = this.#held
    if (svid === null) return 'starting'
    if (svid.isExpired(this.#clock())) return 'expired'
    return this.#interrupted || waiting !== null ? 'stale' : 'ready'
  }

  get svid(): X509Svid | null {
    const { svid } = this.#held
    return this.#denied || svid?.isExpired(this.#clock()) === true ? null : svid
  }

  get bundles(): BundleSet {
    return this.#held.bundles
  }

  get jwtBundles(): BundleSet<JwtBundle> {
    return this.#held.jwtBundles
  }

  get subscriptions(): number {
    return this.#updates.size
  }

  onUpdate(listener: () => void): () => void {
    return this.#updates.onUpdate(listener)
  }

  nextUpdate(options?: WaitOptions): Promise<void> {
    return this.#updates.nextUpdate(options)
  }

  /**
   * Issues a JWT-SVID: a new one for each call.
   * @throws {@link AuthorityError} `no-identity` after {@link deny} and for an identity or hint of another workload,
   * `unavailable` after {@link interrupt}, `unknown-option`, `invalid-option`, `closed`
   */
  async fetchJwtSvid(request: JwtSvidRequest): Promise<JwtSvid> {
    reader.assertKnown('a fetch', request, ['audience', 'spiffeId', 'hint', 'signal', 'timeoutMs'])
    request.signal?.throwIfAborted()
    const audience = readAudience(reader, request.audience)
    if (this.#closed) throw new AuthorityError('closed', 'the source is closed')
    if (this.#interrupted) throw new AuthorityError('unavailable', 'the source is interrupted')
    const identity = this.#workload.state.identities[0]!
    const { spiffeId, hint } = identity
    const isAsked =
      (request.spiffeId ?? spiffeId).toString() === spiffeId.toString() &&
      (request.hint ?? hint) === hint
    if (this.#denied || !isAsked) {
      throw new AuthorityError('no-identity', 'this workload does not have the identity')
    }
    const token = this.#workload.signJwtSvid(identity, audience)
    return JwtSvid.parse(token, { audience, hint, clock: this.#clock })
  }

  /** Takes the identity away, as an authority does that has none for this workload. The state is `denied`. */
  deny(): void {
    this.#denied = true
    this.#updates.notify()
  }

  /** Takes {@link deny} back. */
  allow(): void {
    this.#denied = false
    this.#updates.notify()
  }

  /** Interrupts the supply: changes do not arrive, and the SVID stays in use until it expires. */
  interrupt(): void {
    this.#interrupted = true
    this.#await()
    this.#updates.notify()
  }

  /** Takes {@link interrupt} back: what has changed meanwhile arrives now. */
  resume(): void {
    this.#interrupted = false
    this.#follow()
  }

  async close(): Promise<void> {
    if (this.#closed) return
    this.#closed = true
    this.#expiry.close()
    this.#start.close()
    this.#workload.leave()
    this.#updates.notify()
    this.#updates.close()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }

  #follow(): void {
    try {
      this.#held = this.#read(this.#held)
    } catch {
      // A template with its own times has expired: the last good SVID stays.
      this.#held = { ...this.#held, ...this.#bundlesOfState() }
    }
    this.#await()
    this.#updates.notify()
  }

  #await(): void {
    const { svid, waiting } = this.#held
    // While updates arrive, a new SVID comes long before this one expires, unless it is not renewed.
    const isRenewed = !this.#interrupted && this.#workload.state.identities[0]!.rotateAt < Infinity
    this.#expiry.arm(isRenewed ? Infinity : (svid?.notAfter ?? Infinity) + 1)
    this.#start.arm(waiting === null ? Infinity : validFrom(waiting))
  }

  /** Called when the waiting SVID should be valid; a timer may be early, or limited in length. */
  #take(): void {
    const { waiting } = this.#held
    if (waiting === null || validFrom(waiting) > this.#clock()) return this.#await()
    this.#held = { ...this.#held, svid: waiting, waiting: null }
    this.#await()
    this.#updates.notify()
  }

  #read(held?: Held): Held {
    const { minted, hint } = this.#workload.state.identities[0]!
    const bundles = this.#bundlesOfState()
    if (held?.minted === minted) return { ...held, ...bundles }
    const issued = minted.toX509Svid({ hint, clock: this.#clock })
    if (validFrom(issued) <= this.#clock())
      return { minted, svid: issued, waiting: null, ...bundles }
    // As X509Source does: the last SVID of the same SPIFFE ID stays in use.
    const last = held?.svid?.spiffeId.equals(issued.spiffeId) === true ? held.svid : null
    return { minted, svid: last, waiting: issued, ...bundles }
  }

  #bundlesOfState(): Pick<Held, 'bundles' | 'jwtBundles'> {
    const { bundle, federatedBundles, jwtBundles } = this.#workload.state
    return { bundles: BundleSet.of(bundle, ...federatedBundles), jwtBundles }
  }
}

/** When the last certificate of the chain becomes valid. */
function validFrom({ certificates }: X509Svid): number {
  return Math.max(...certificates.map(({ notBefore }) => notBefore))
}
