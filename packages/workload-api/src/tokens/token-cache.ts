import type { JwtSvid, SetTimer } from '@fastify-spiffe/spiffe'
import { setUnreferencedTimer } from '@fastify-spiffe/spiffe/internal'

import { WorkloadApiError } from '../errors.ts'
import type { TokenRequest } from '../messages/jwt-svids.ts'
import type { BackoffBounds } from '../watch/backoff.ts'
import { TokenEntry } from './token-entry.ts'

export interface TokenCacheOptions {
  /** One call of the Workload API. */
  readonly fetch: (request: TokenRequest) => Promise<readonly JwtSvid[]>
  readonly clock: () => number
  readonly random: () => number
  readonly backoff: BackoffBounds
  /** Identities and audiences, the calls that are under way included. */
  readonly maxEntries: number
  readonly onFailure: (request: TokenRequest, error: WorkloadApiError) => void
  /** Default: timers that do not keep the process alive. */
  readonly setTimer?: SetTimer
}

/**
 * The tokens of a workload, by identity and set of audiences. Bounded: the one that was not asked for the longest goes
 * first. Calls under way cannot go, so there are never more of them than entries.
 */
export class TokenCache {
  readonly #options: TokenCacheOptions
  readonly #entries = new Map<string, TokenEntry>()

  constructor(options: TokenCacheOptions) {
    this.#options = options
  }

  get size(): number {
    return this.#entries.size
  }

  /** The tokens, when nobody needs to wait for them. */
  ready(request: TokenRequest): readonly JwtSvid[] | undefined {
    const key = keyOf(request)
    const entry = this.#entries.get(key)
    if (entry === undefined) return undefined
    this.#entries.delete(key)
    this.#entries.set(key, entry)
    return entry.ready()
  }

  /** @throws {@link WorkloadApiError} why there is none; `limit-exceeded` when too many calls are under way */
  async get(request: TokenRequest): Promise<readonly JwtSvid[]> {
    return this.#entry(request).get()
  }

  /** Forgets the tokens of which one was signed by an authority that is gone. */
  forgetSignedBy(isGone: (svid: JwtSvid) => boolean): void {
    for (const [key, entry] of this.#entries) {
      if (entry.isSignedBy(isGone)) this.#entries.delete(key)
    }
  }

  /** Forgets all tokens. What a call under way brings goes to those who wait for it, and is not kept. */
  clear(): void {
    this.#entries.clear()
  }

  #entry(request: TokenRequest): TokenEntry {
    const key = keyOf(request)
    const known = this.#entries.get(key)
    if (known !== undefined) return known
    this.#makeRoom()
    const { fetch, onFailure, clock, random, backoff, setTimer } = this.#options
    const entry = new TokenEntry({
      fetch: () => fetch(request),
      onFailure: (error) => onFailure(request, error),
      clock,
      random,
      backoff,
      setTimer: setTimer ?? setUnreferencedTimer,
    })
    this.#entries.set(key, entry)
    return entry
  }

  #makeRoom(): void {
    if (this.#entries.size < this.#options.maxEntries) return
    for (const [key, { isIdle }] of this.#entries) {
      if (!isIdle) continue
      this.#entries.delete(key)
      return
    }
    const message = `more than ${this.#options.maxEntries} JWT-SVIDs are being fetched at a time`
    throw new WorkloadApiError('limit-exceeded', message)
  }
}

/** Unambiguous: an audience may be any string. */
function keyOf({ audience, spiffeId }: TokenRequest): string {
  return JSON.stringify([spiffeId?.toString() ?? '', ...audience])
}
