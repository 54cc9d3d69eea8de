import { webcrypto } from 'node:crypto'
import { Bundle, SpiffeError, type SliceOptions, type TrustDomain } from '@fastify-spiffe/spiffe'
import type { Fetched, Validator } from '../endpoint/fetch-bundle.ts'
import { FetchFailure } from '../errors.ts'
import type { BundleOrigin } from '../status.ts'
import { bytesOf, type BundleBudget } from './bundle-budget.ts'
import type { Turns } from './turns.ts'

/** The bundle of one trust domain that is held, and what the endpoint called it. */
export class HeldBundle {
  readonly #trustDomain: TrustDomain
  readonly #turns: Turns
  readonly #budget: BundleBudget
  #bundle: Bundle | null = null
  #origin: BundleOrigin | null = null
  #validator: Validator | undefined
  /** SHA-256 of the body that the bundle was read from. */
  #digest: string | undefined

  constructor(trustDomain: TrustDomain, turns: Turns, budget: BundleBudget) {
    this.#trustDomain = trustDomain
    this.#turns = turns
    this.#budget = budget
    budget.hold(trustDomain.name, 0)
  }

  get bundle(): Bundle | null {
    return this.#bundle
  }

  get origin(): BundleOrigin | null {
    return this.#origin
  }

  get validator(): Validator | undefined {
    return this.#validator
  }

  /** Begins with one of the two: what is stored is later than what was configured, unless the sequences say otherwise. */
  begin(configured: Bundle | undefined, stored: Bundle | null): void {
    const isNewer =
      configured !== undefined && (stored === null || hasHigherSequence(configured, stored))
    this.#bundle = isNewer ? configured : stored
    if (this.#bundle === null) return
    this.#origin = isNewer ? 'configured' : 'stored'
    this.#budget.hold(this.#trustDomain.name, bytesOf(this.#bundle))
  }

  /**
   * Reads what was fetched. Resolves with what to call for it to count, which says whether another bundle is held then.
   * @throws {@link FetchFailure} `invalid-bundle`, `older-sequence`, `total-too-large`
   */
  async read(fetched: Fetched): Promise<() => boolean> {
    if (fetched.type === 'unchanged') return () => false
    const { body, validator } = fetched
    const digest = await digestOf(body)
    const bundle = digest === this.#digest ? this.#bundle : await this.#parse(body)
    return () => {
      this.#validator = validator
      this.#digest = digest
      return this.#replace(bundle)
    }
  }

  async #parse(body: Buffer): Promise<Bundle> {
    const { slices } = this.#turns
    const bundle = await this.#turns.run(() => parse(this.#trustDomain, body, slices))
    const held = this.#bundle
    // Trust Domain and Bundle §4.1.1: an older one is the answer of a replica that lags, or a replay.
    if (!bundle.replaces(held ?? undefined)) {
      const message = `the bundle has sequence ${bundle.sequence}, and ${held?.sequence} is held`
      throw new FetchFailure('older-sequence', message)
    }
    if (!this.#budget.tryHold(this.#trustDomain.name, bytesOf(bundle))) {
      const message = 'the bundle does not fit into maxTotalBytes, beside those of others'
      throw new FetchFailure('total-too-large', message)
    }
    // The same object as long as nothing changes, so that nothing is verified again.
    return held !== null && (await this.#turns.run(() => held.equals(bundle))) ? held : bundle
  }

  #replace(bundle: Bundle | null): boolean {
    this.#origin = 'fetched'
    if (bundle === null || bundle === this.#bundle) return false
    this.#bundle = bundle
    return true
  }
}

/** In a thread of Node's pool: 4 MiB take ten milliseconds. */
async function digestOf(body: Buffer): Promise<string> {
  return Buffer.from(await webcrypto.subtle.digest('SHA-256', body)).toString('base64')
}

async function parse(
  trustDomain: TrustDomain,
  body: Buffer,
  slices: SliceOptions,
): Promise<Bundle> {
  try {
    return await Bundle.parseInSlices(trustDomain, body, slices)
  } catch (cause) {
    if (!(cause instanceof SpiffeError)) throw cause
    throw new FetchFailure('invalid-bundle', cause.message, { cause })
  }
}

function hasHigherSequence({ sequence }: Bundle, { sequence: other }: Bundle): boolean {
  return sequence !== null && other !== null && sequence > other
}
