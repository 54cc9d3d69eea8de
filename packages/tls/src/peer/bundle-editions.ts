import type { BundleSet, X509BundleSource } from '@fastify-spiffe/spiffe'

/** What a source has said, numbered: a verdict remembers the number, and keeps no bundles that are gone. */
export interface BundleEdition {
  readonly number: number
  readonly bundles: BundleSet
}

/** Numbers what a source says. */
export class BundleEditions {
  readonly #source: X509BundleSource
  #last: BundleEdition | undefined

  constructor(source: X509BundleSource) {
    this.#source = source
  }

  /** @throws whatever the source throws */
  get current(): BundleEdition {
    const { bundles } = this.#source
    // Bundle sets are immutable: the same object means that nothing has changed.
    if (this.#last?.bundles === bundles) return this.#last
    this.#last = { number: (this.#last?.number ?? 0) + 1, bundles }
    return this.#last
  }

  /** The same, but what the source said last, if anything, when it throws: asked by a timer, that must not end the process. */
  get currentOrLast(): BundleEdition | undefined {
    try {
      return this.current
    } catch {
      return this.#last
    }
  }
}
