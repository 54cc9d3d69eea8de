import { channel } from 'node:diagnostics_channel'
import type { BundleSet, TrustDomainBundle } from '../bundle/bundle-set.ts'

/** `spiffe:bundle:conflict`: two sources hold different bundles for a trust domain, and the first one counts. */
export interface BundleConflictEvent {
  /** Of which kind the bundles are. */
  readonly kind: 'x509' | 'jwt'
  /** The name of the trust domain. */
  readonly trustDomain: string
  /** The place of the source whose bundle counts; 0 is the first. */
  readonly used: number
  /** The place of the source whose bundle does not count. */
  readonly ignored: number
}

const conflicts = channel('spiffe:bundle:conflict')

/** What tells the bundles of one kind apart. */
export interface BundleKind<B extends TrustDomainBundle> {
  readonly kind: BundleConflictEvent['kind']
  /** Whether both hold the same authorities. */
  agree(one: B, other: B): boolean
}

/** The bundles of several sources: for each trust domain the one of the first source that has one, never a mixture. */
export class FallbackBundles<B extends TrustDomainBundle> {
  readonly #kind: BundleKind<B>
  #sets: readonly BundleSet<B>[] = []
  #bundles: BundleSet<B> | undefined
  /** By trust domain and place, the two bundles that were last compared. */
  #compared = new Map<string, readonly [B, B]>()

  constructor(kind: BundleKind<B>) {
    this.#kind = kind
  }

  /** The same object as long as the sets are the same. */
  of(sets: readonly BundleSet<B>[]): BundleSet<B> {
    const known = this.#bundles
    if (known !== undefined && sets.every((set, index) => set === this.#sets[index])) return known
    const bundles = sets.reduce((first, next) => first.orElse(next))
    this.#sets = sets
    this.#bundles = bundles
    return bundles
  }

  /** Publishes each conflict that was not there before. */
  publishConflicts(sets: readonly BundleSet<B>[]): void {
    if (!conflicts.hasSubscribers) return
    const before = this.#compared
    this.#compared = new Map()
    for (const [used, set] of sets.entries()) {
      const earlier = sets.slice(0, used)
      for (const bundle of set) {
        if (earlier.some((each) => each.get(bundle.trustDomain) !== undefined)) continue
        this.#compare(bundle, used, sets, before)
      }
      // Those of the last source have nothing behind them.
      if (used === sets.length - 2) break
    }
  }

  #compare(
    bundle: B,
    used: number,
    sets: readonly BundleSet<B>[],
    before: ReadonlyMap<string, readonly [B, B]>,
  ): void {
    for (let ignored = used + 1; ignored < sets.length; ignored++) {
      const other = sets[ignored]?.get(bundle.trustDomain)
      if (other === undefined) continue
      const key = `${ignored} ${bundle.trustDomain.name}`
      const last = before.get(key)
      this.#compared.set(key, [bundle, other])
      if (last?.[0] === bundle && last[1] === other) continue
      if (!this.#kind.agree(bundle, other)) this.#publish(bundle.trustDomain.name, used, ignored)
    }
  }

  #publish(trustDomain: string, used: number, ignored: number): void {
    const event = { kind: this.#kind.kind, trustDomain, used, ignored }
    conflicts.publish(Object.freeze<BundleConflictEvent>(event))
  }
}
