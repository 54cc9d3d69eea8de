import { FairCache } from '@fastify-spiffe/spiffe/internal'
import type { AttributeCaller } from '../attributes/provider.ts'

/** Whose token it is. */
export type TokenCaller = Pick<AttributeCaller, 'spiffeId' | 'tenant'>

/** Trust domains whose callers' tokens are cached; those of further ones are verified each time. */
const MAX_TRUST_DOMAINS = 64

/**
 * Tokens that were good, by a digest, for each trust domain by itself. Where a trust domain fills
 * its share, the tenant with most tokens loses one, so that no caller makes the tokens of others be
 * verified again.
 */
export class TokenCache<T> {
  readonly #maxTokens: number
  readonly #domains = new Map<string, FairCache<T>>()

  /** @param maxTokens - of the callers of one trust domain */
  constructor(maxTokens: number) {
    this.#maxTokens = maxTokens
  }

  get({ spiffeId }: TokenCaller, digest: string): T | undefined {
    return this.#domains.get(spiffeId.trustDomain.name)?.get(digest)
  }

  set({ spiffeId, tenant }: TokenCaller, digest: string, token: T): void {
    this.#tokensOf(spiffeId.trustDomain.name)?.set(tenant?.name ?? '', digest, token)
  }

  #tokensOf(trustDomain: string): FairCache<T> | undefined {
    const known = this.#domains.get(trustDomain)
    if (known !== undefined || this.#domains.size === MAX_TRUST_DOMAINS) return known
    const tokens = new FairCache<T>({ maxWeight: this.#maxTokens })
    this.#domains.set(trustDomain, tokens)
    return tokens
  }
}
