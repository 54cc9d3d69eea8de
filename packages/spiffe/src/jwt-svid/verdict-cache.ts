import { hash } from 'node:crypto'
import { FairCache } from '../cache/fair-cache.ts'
import type { JwtVerification } from './verification.ts'

/** An accepted token. */
export type Accepted = Extract<JwtVerification, { readonly ok: true }>

interface Verdict {
  readonly verification: Accepted
  /** Milliseconds since the epoch. */
  readonly verifiedAt: number
  readonly weight: number
}

/** Trust domains with a full share each; when there are more, they share the same room. */
const FULL_SHARES = 16
/** A longer token counts as several: its claims take as much more memory. */
const UNIT_BYTES = 1024

/**
 * The verdicts on tokens that were accepted, by a digest of the token. Each trust domain has its share, so that the
 * tokens of one cannot evict those of another.
 */
export class VerdictCache {
  readonly #verdicts: FairCache<Verdict>

  /** @param maxTokens of one trust domain; each KiB of a token counts as one */
  constructor(maxTokens: number) {
    this.#verdicts = new FairCache({
      maxWeight: maxTokens * FULL_SHARES,
      maxGroupWeight: maxTokens,
      weightOf: ({ weight }) => weight,
    })
  }

  get size(): number {
    return this.#verdicts.size
  }

  /** The verdict on the token, unless it was made after `now`: the clock was set back since. */
  get(digest: string, now: number): Accepted | undefined {
    const verdict = this.#verdicts.get(digest)
    return verdict !== undefined && now >= verdict.verifiedAt ? verdict.verification : undefined
  }

  set(digest: string, token: string, verification: Accepted, verifiedAt: number): void {
    const { name } = verification.svid.spiffeId.trustDomain
    const weight = Math.ceil(token.length / UNIT_BYTES)
    this.#verdicts.set(name, digest, { verification, verifiedAt, weight })
  }

  delete(digest: string): void {
    this.#verdicts.delete(digest)
  }
}

/** What a token is known by: it is a secret itself. */
export function digestOf(token: string): string {
  return hash('sha256', token, 'base64')
}
