import type {
  BundleSet,
  SourceState,
  WaitOptions,
  X509MaterialSource,
  X509Svid,
} from '@fastify-spiffe/spiffe'

/** A peer that goes on presenting one SVID, whatever became of it. Only its bundles follow `live`. */
export class KeptSvidSource implements X509MaterialSource {
  readonly svid: X509Svid
  readonly #live: X509MaterialSource

  constructor(svid: X509Svid, live: X509MaterialSource) {
    this.svid = svid
    this.#live = live
  }

  get bundles(): BundleSet {
    return this.#live.bundles
  }

  get state(): SourceState {
    return this.#live.state
  }

  onUpdate(listener: () => void): () => void {
    return this.#live.onUpdate(listener)
  }

  nextUpdate(options?: WaitOptions): Promise<void> {
    return this.#live.nextUpdate(options)
  }

  /** Leaves `live` open: it is not its own. */
  async close(): Promise<void> {}

  async [Symbol.asyncDispose](): Promise<void> {}
}
