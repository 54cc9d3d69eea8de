import { SpiffeId, X509Bundle } from '@fastify-spiffe/spiffe'
import type { TrustDomain } from '@fastify-spiffe/spiffe'

import { WorkloadApiError, quote, refusal } from '../errors.ts'
import type { RawX509Svid } from './decode.ts'

/** Reads the bundles that come inside the SVIDs of one message. */
export class OwnBundles {
  readonly #parsed = new Map<string, { readonly der: Buffer; readonly bundle: X509Bundle }>()

  /**
   * The bundle of an SVID, under the trust domain that its `spiffe_id` field names.
   * @throws {@link WorkloadApiError} `invalid-svid`, `invalid-bundle`
   */
  parse(raw: RawX509Svid): X509Bundle {
    const { name, trustDomain } = claimedBy(raw)
    // SVIDs of one trust domain usually bring the same bundle each.
    const known = this.#parsed.get(name)
    if (known?.der.equals(raw.bundle) === true) return known.bundle
    try {
      const bundle = X509Bundle.fromDer(trustDomain, raw.bundle)
      this.#parsed.set(name, { der: raw.bundle, bundle })
      return bundle
    } catch (cause) {
      throw refusal('invalid-bundle', `the own bundle of ${name} is malformed`, cause)
    }
  }
}

/**
 * The bundles of the SVIDs that have proven good, by trust domain.
 *
 * Bundles are never merged. The SVIDs of one trust domain must come with the same bundle: when they
 * differ, it is unknown which one is right.
 */
export class TrustedOwnBundles {
  readonly #byName = new Map<string, X509Bundle>()

  /** @throws {@link WorkloadApiError} `conflicting-bundles` */
  add(bundle: X509Bundle): void {
    const { name } = bundle.trustDomain
    const known = this.#byName.get(name)
    if (known !== undefined && !known.equals(bundle)) {
      throw new WorkloadApiError(
        'conflicting-bundles',
        `two SVIDs of ${name} came with different bundles`,
      )
    }
    this.#byName.set(name, bundle)
  }

  get bundles(): readonly X509Bundle[] {
    return [...this.#byName.values()]
  }
}

function claimedBy({ spiffeId }: RawX509Svid): { name: string; trustDomain: TrustDomain } {
  const id = SpiffeId.safeParse(spiffeId)
  if (id.ok) return { name: id.value.trustDomain.name, trustDomain: id.value.trustDomain }
  throw new WorkloadApiError('invalid-svid', `an SVID has the bad ID ${quote(spiffeId)}`, {
    cause: id.error,
  })
}
