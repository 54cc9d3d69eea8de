import { createHash } from 'node:crypto'
import { Bundle, SpiffeError, type TrustDomain } from '@fastify-spiffe/spiffe'
import type { Fetched, Validator } from '../endpoint/fetch-bundle.ts'
import { FetchFailure } from '../errors.ts'
import type { BundleOrigin } from '../status.ts'
import type { Turns } from './turns.ts'

/** The bundle of one trust domain that is held, and what the endpoint called it. */
export class HeldBundle {
  readonly #trustDomain: TrustDomain
  readonly #turns: Turns
  #bundle: Bundle | null = null
  #origin: BundleOrigin | null = null
  #validator: Validator | undefined
  /** SHA-256 of the body that the bundle was read from. */
  #digest: string | undefined

  constructor(trustDomain: TrustDomain, turns: Turns) {
    this.#trustDomain = trustDomain
    this.#turns = turns
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
    if (this.#bundle !== null) this.#origin = isNewer ? 'configured' : 'stored'
  }

  /**
   * Reads what was fetched. Resolves with what to call for it to count, which says whether another bundle is held then.
   * @throws {@link FetchFailure} `invalid-bundle`, `older-sequence`
   */
  async read(fetched: Fetched): Promise<() => boolean> {
    if (fetched.type === 'unchanged') return () => false
    const { body, validator } = fetched
    const digest = createHash('sha256').update(body).digest('base64')
    const bundle = digest === this.#digest ? this.#bundle : await this.#parse(body)
    return () => {
      this.#validator = validator
      this.#digest = digest
      return this.#replace(bundle)
    }
  }

  async #parse(body: Buffer): Promise<Bundle> {
    const bundle = await this.#turns.run(() => parse(this.#trustDomain, body))
    // Trust Domain and Bundle §4.1.1: an older one is the answer of a replica that lags, or a replay.
    if (bundle.replaces(this.#bundle ?? undefined)) return bundle
    const message = `the bundle has sequence ${bundle.sequence}, and ${this.#bundle?.sequence} is held`
    throw new FetchFailure('older-sequence', message)
  }

  #replace(bundle: Bundle | null): boolean {
    this.#origin = 'fetched'
    const held = this.#bundle
    // The same object as long as nothing changes, so that nothing is verified again.
    if (bundle === null || bundle === held || held?.equals(bundle) === true) return false
    this.#bundle = bundle
    return true
  }
}

function parse(trustDomain: TrustDomain, body: Buffer): Bundle {
  try {
    return Bundle.parse(trustDomain, body)
  } catch (cause) {
    if (!(cause instanceof SpiffeError)) throw cause
    throw new FetchFailure('invalid-bundle', cause.message, { cause })
  }
}

function hasHigherSequence({ sequence }: Bundle, { sequence: other }: Bundle): boolean {
  return sequence !== null && other !== null && sequence > other
}
