import type { BundleSet, X509MaterialSource, X509Svid } from '@fastify-spiffe/spiffe'

/** What is known of a source at one time. */
export interface Supply {
  readonly state: X509MaterialSource['state']
  readonly problem: string | null
  readonly svid: X509Svid | null
  /** Whether there is a bundle of the trust domain of the SVID. */
  readonly hasOwnBundle: boolean
  readonly bundleCount: number
  readonly bundlesSince: number
  /** Since when the supply has been interrupted; `null` while it works. */
  readonly interruptedSince: number | null
}

/** Follows a source, and remembers since when it is as it is. */
export class SupplyWatch {
  readonly #source: X509MaterialSource
  readonly #clock: () => number
  readonly #unsubscribe: () => void
  #bundles: BundleSet
  #bundlesSince: number
  #interruptedSince: number | null

  constructor(source: X509MaterialSource, clock: () => number) {
    this.#source = source
    this.#clock = clock
    this.#bundles = source.bundles
    this.#bundlesSince = clock()
    this.#interruptedSince = source.state === 'ready' ? null : clock()
    this.#unsubscribe = source.onUpdate(() => this.#follow())
  }

  get current(): Supply {
    const { state, error, svid, bundles } = this.#source
    return {
      state,
      problem: error?.code ?? null,
      svid,
      hasOwnBundle: svid !== null && bundles.get(svid.spiffeId.trustDomain) !== undefined,
      bundleCount: bundles.size,
      bundlesSince: this.#bundlesSince,
      interruptedSince: this.#interruptedSince,
    }
  }

  close(): void {
    this.#unsubscribe()
  }

  #follow(): void {
    const { state, bundles } = this.#source
    if (bundles !== this.#bundles) {
      this.#bundles = bundles
      this.#bundlesSince = this.#clock()
    }
    if (state === 'ready') this.#interruptedSince = null
    else this.#interruptedSince ??= this.#clock()
  }
}
