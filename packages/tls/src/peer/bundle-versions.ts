import type { BundleSet, X509BundleSource } from '@fastify-spiffe/spiffe'

/** The bundles of a source at one time. A verdict keeps the number alone, so that old bundles can be freed. */
export interface BundleVersion {
  readonly number: number
  readonly bundles: BundleSet
}

/** Counts the changes of the bundles of a source. */
export class BundleVersions {
  readonly #source: X509BundleSource
  #last: BundleVersion | undefined

  constructor(source: X509BundleSource) {
    this.#source = source
  }

  /** @throws whatever the source throws */
  get current(): BundleVersion {
    const { bundles } = this.#source
    // Bundle sets are immutable: the same object means that nothing has changed.
    if (this.#last?.bundles === bundles) return this.#last
    this.#last = { number: (this.#last?.number ?? 0) + 1, bundles }
    return this.#last
  }

  /** As `current`, but the last version, if any, when the source throws: a timer must not end the process. */
  get currentOrLast(): BundleVersion | undefined {
    try {
      return this.current
    } catch {
      return this.#last
    }
  }
}
