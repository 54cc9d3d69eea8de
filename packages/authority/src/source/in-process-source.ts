import {
  BundleSet,
  Updates,
  type SetTimer,
  type SourceState,
  type WaitOptions,
  type X509MaterialSource,
  type X509Svid,
} from '@fastify-spiffe/spiffe'
import { Schedule } from '../authority/schedule.ts'
import type { Workload } from '../authority/workload.ts'
import type { MintedCertificate } from '../minting/minted-certificate.ts'

interface Held {
  readonly minted: MintedCertificate
  readonly svid: X509Svid
  readonly bundles: BundleSet
}

interface SourceTimes {
  readonly clock: () => number
  readonly setTimer: SetTimer
}

/**
 * A source of X.509 material inside the process: it follows the rotations and the federation of its
 * authority, without a socket. A test can also make it fail as a real one does.
 */
export class InProcessSource implements X509MaterialSource {
  readonly #workload: Workload
  readonly #clock: () => number
  readonly #updates = new Updates()
  readonly #expiry: Schedule
  #held: Held
  #denied = false
  #interrupted = false
  #closed = false

  /** @throws {@link SpiffeError} when what was issued is no good SVID */
  constructor(workload: Workload, { clock, setTimer }: SourceTimes) {
    this.#workload = workload
    this.#clock = clock
    this.#held = this.#read()
    this.#expiry = new Schedule(clock, setTimer, () => this.#updates.notify())
    workload.onUpdate(() => {
      if (!this.#interrupted) this.#follow()
    })
  }

  get state(): SourceState {
    if (this.#closed) return 'closed'
    if (this.#denied) return 'denied'
    if (this.#held.svid.isExpired(this.#clock())) return 'expired'
    return this.#interrupted ? 'stale' : 'ready'
  }

  get svid(): X509Svid | null {
    const { svid } = this.#held
    return this.#denied || svid.isExpired(this.#clock()) ? null : svid
  }

  get bundles(): BundleSet {
    return this.#held.bundles
  }

  onUpdate(listener: () => void): () => void {
    return this.#updates.onUpdate(listener)
  }

  nextUpdate(options?: WaitOptions): Promise<void> {
    return this.#updates.nextUpdate(options)
  }

  /** From now on the authority says that this workload has no identity. */
  deny(): void {
    this.#denied = true
    this.#updates.notify()
  }

  /** Takes {@link deny} back. */
  allow(): void {
    this.#denied = false
    this.#updates.notify()
  }

  /** Cuts the supply: what is held serves on until it expires, and changes do not arrive. */
  interrupt(): void {
    this.#interrupted = true
    this.#expiry.arm(this.#held.svid.notAfter + 1)
    this.#updates.notify()
  }

  /** Takes {@link interrupt} back: what has changed arrives now. */
  resume(): void {
    this.#interrupted = false
    this.#expiry.disarm()
    this.#follow()
  }

  async close(): Promise<void> {
    if (this.#closed) return
    this.#closed = true
    this.#expiry.close()
    this.#workload.leave()
    this.#updates.notify()
    this.#updates.close()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }

  #follow(): void {
    this.#held = this.#read(this.#held)
    this.#updates.notify()
  }

  #read(held?: Held): Held {
    const { identities, bundle, federatedBundles } = this.#workload.state
    const { minted, hint } = identities[0]!
    const bundles = BundleSet.of(bundle, ...federatedBundles)
    if (held?.minted === minted) return { ...held, bundles }
    try {
      return { minted, svid: minted.toX509Svid({ hint, clock: this.#clock }), bundles }
    } catch (error) {
      if (held === undefined) throw error
      // A shape with times of its own has run out: the last good SVID stays.
      return { ...held, bundles }
    }
  }
}
