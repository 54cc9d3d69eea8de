import { SpiffeError } from '../errors.ts'
import { TrustDomain } from '../id/spiffe-id.ts'
import { BundleSet } from '../bundle/bundle-set.ts'
import type { X509Bundle } from '../x509/bundle.ts'
import type { RevocationList } from '../x509/revocation-list.ts'
import type { X509Svid } from '../svid/x509-svid.ts'
import type { SourceProblem, SourceState, WaitOptions, X509MaterialSource } from './source.ts'
import { sourceFault } from './source-fault.ts'
import { Updates } from './updates.ts'

/** Revocation lists by the name of their trust domain, such as `example.org`. */
export type RevocationListsByTrustDomain = ReadonlyMap<string, readonly RevocationList[]>

/** A source whose bundles have further revocation lists; {@link withRevocationLists} makes one. */
export class RevocationListSource implements X509MaterialSource {
  readonly #source: X509MaterialSource
  readonly #updates = new Updates()
  readonly #unsubscribe: () => void
  #lists: RevocationListsByTrustDomain
  #made = new WeakMap<X509Bundle, X509Bundle>()
  // What the source had, and what was made of it: the same object as long as nothing changes.
  #supplied: BundleSet | undefined
  #bundles = BundleSet.empty

  /** @throws {@link SpiffeError} `invalid-trust-domain` */
  constructor(source: X509MaterialSource, lists: RevocationListsByTrustDomain) {
    this.#lists = copy(lists)
    this.#source = source
    this.#unsubscribe = source.onUpdate(() => this.#forward())
    if (source.state === 'closed') this.#updates.close()
  }

  get svid(): X509Svid | null {
    return this.#source.svid
  }

  get state(): SourceState {
    return this.#source.state
  }

  get error(): SourceProblem | null {
    return this.#source.error ?? null
  }

  get endpoint(): string | undefined {
    return this.#source.endpoint
  }

  get bundles(): BundleSet {
    const { bundles } = this.#source
    if (bundles !== this.#supplied) {
      this.#bundles = BundleSet.of(...[...bundles].map((bundle) => this.#complete(bundle)))
      this.#supplied = bundles
    }
    return this.#bundles
  }

  /**
   * Puts `lists` in the place of all that were given before; those of the source itself stay.
   * @throws {@link SpiffeError} `invalid-trust-domain`
   */
  setRevocationLists(lists: RevocationListsByTrustDomain): void {
    this.#lists = copy(lists)
    this.#made = new WeakMap()
    this.#supplied = undefined
    this.#updates.notify()
  }

  /** Those of the underlying source count too, without its own: closing ends both. */
  get subscriptions(): number {
    return this.#updates.size + Math.max(0, (this.#source.subscriptions ?? 1) - 1)
  }

  onUpdate(listener: () => void): () => void {
    return this.#updates.onUpdate(listener)
  }

  nextUpdate(options?: WaitOptions): Promise<void> {
    return this.#updates.nextUpdate(options)
  }

  /** Closes the source as well. */
  async close(): Promise<void> {
    await this.#source.close()
    this.#unsubscribe()
    this.#updates.close()
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  #complete(bundle: X509Bundle): X509Bundle {
    const lists = this.#lists.get(bundle.trustDomain.name)
    if (lists === undefined) return bundle
    const known = this.#made.get(bundle)
    if (known !== undefined) return known
    const complete = bundle.withRevocationLists([...bundle.revocationLists, ...lists])
    this.#made.set(bundle, complete)
    return complete
  }

  #forward(): void {
    this.#updates.notify()
    if (this.#source.state === 'closed') this.#updates.close()
  }
}

/**
 * Gives the bundles of `source` revocation lists from elsewhere, such as a file or an HTTP server, beside
 * those that they have. Lists of a trust domain without a bundle are kept until it has one.
 *
 * A list counts once the issuer of a certificate in question has signed it; who supplies it need not be
 * trusted for more than not to hold it back.
 * @throws {@link SpiffeError} `invalid-trust-domain`, or `invalid-option` for a value that is not a
 *   source
 */
export function withRevocationLists(
  source: X509MaterialSource,
  lists: RevocationListsByTrustDomain = new Map(),
): RevocationListSource {
  const fault = sourceFault(source)
  if (fault !== undefined) throw new SpiffeError('invalid-option', `the source ${fault}`)
  return new RevocationListSource(source, lists)
}

function copy(lists: RevocationListsByTrustDomain): RevocationListsByTrustDomain {
  const copied = new Map<string, readonly RevocationList[]>()
  for (const [input, each] of lists) {
    const { name } = TrustDomain.parse(input)
    // A trust domain may be named in two ways, and no list of it is to be lost.
    copied.set(name, [...(copied.get(name) ?? []), ...each])
  }
  return copied
}
