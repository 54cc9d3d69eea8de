import { describeCause, parseJson } from '@fastify-spiffe/spiffe/internal'
import { createLocalJWKSet, errors, type JSONWebKeySet, type JWTVerifyGetKey } from 'jose'
import { PolicyError } from '../errors.ts'
import { type ReadText, readerOf } from './key-source.ts'
import type { JwksLocation } from './options.ts'

/** For how long keys, and tokens that were verified by them, are believed without looking again, in milliseconds. */
export const MAX_AGE_MS: number = 10 * 60_000

/** From this age on keys are read again while the former ones are used, in milliseconds. */
const RENEW_AT_MS = 9 * 60_000

/** For how long keys are believed that cannot be looked at again, in milliseconds. */
const MAX_STALE_MS = 60 * 60_000

/** The wait after the first read that fails; it doubles up to the cooldown. */
const FIRST_RETRY_MS = 250

/** Finds the key of a token in a JSON Web Key Set. One that is not there makes it read the set again, within bounds. */
export function keysOf(
  location: JwksLocation,
  cooldownMs: number,
  clock: () => number,
): JWTVerifyGetKey {
  return new KeySet(readerOf(location), cooldownMs, clock).find
}

type FindKey = ReturnType<typeof createLocalJWKSet>

/**
 * The keys of an issuer. Whatever tokens say, the set is read once at a time, at most once within the cooldown, and while
 * that fails, at growing intervals: the last good keys go on meanwhile.
 */
class KeySet {
  readonly #readText: ReadText
  readonly #cooldownMs: number
  readonly #clock: () => number
  /** The last good ones. */
  #keys: FindKey | undefined
  /** By the clock that tokens are judged by. */
  #readAt = -Infinity
  #reading: Promise<void> | undefined
  /** By the monotonic clock of the process. */
  #mayReadAt = -Infinity
  #retryMs = FIRST_RETRY_MS
  #failure: PolicyError | undefined

  constructor(readText: ReadText, cooldownMs: number, clock: () => number) {
    this.#readText = readText
    this.#cooldownMs = cooldownMs
    this.#clock = clock
  }

  readonly find: JWTVerifyGetKey = async (header, token) => {
    const keys = await this.#current()
    try {
      return await keys(header, token)
    } catch (error) {
      // A key that is not there may have come since.
      if (!(error instanceof errors.JWKSNoMatchingKey)) throw error
      await this.#refresh()
      const newer = this.#keys ?? keys
      if (newer === keys) throw error
      return newer(header, token)
    }
  }

  /** @throws {PolicyError} `keys-unavailable` */
  async #current(): Promise<FindKey> {
    if (!this.#isYoungerThan(RENEW_AT_MS)) {
      const refreshed = this.#refresh()
      // An issuer that is known to fail may hang: requests do not wait for it while the last good
      // keys are used.
      const mayGoOn = this.#failure !== undefined && this.#isYoungerThan(MAX_STALE_MS)
      if (!mayGoOn && !this.#isYoungerThan(MAX_AGE_MS)) await refreshed
    }
    if (this.#keys !== undefined && this.#isYoungerThan(MAX_STALE_MS)) return this.#keys
    throw this.#failure ?? unavailable('they are being read')
  }

  #isYoungerThan(ms: number): boolean {
    return Math.abs(this.#clock() - this.#readAt) < ms
  }

  /** Never rejects. */
  #refresh(): Promise<void> {
    if (this.#reading === undefined) {
      if (performance.now() < this.#mayReadAt) return Promise.resolve()
      this.#reading = this.#read().finally(() => {
        this.#reading = undefined
      })
    }
    return this.#reading
  }

  async #read(): Promise<void> {
    try {
      this.#keys = keysIn(await this.#readText())
      this.#readAt = this.#clock()
      this.#failure = undefined
      this.#retryMs = FIRST_RETRY_MS
      this.#mayReadAt = performance.now() + this.#cooldownMs
    } catch (error) {
      this.#failure = unavailable(describeCause(error))
      this.#mayReadAt = performance.now() + Math.min(this.#retryMs, this.#cooldownMs)
      this.#retryMs *= 2
    }
  }
}

/** RFC 7517 §5. `createLocalJWKSet` looks at its form. */
function keysIn(text: string): FindKey {
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- see above
  return createLocalJWKSet(parseJson(text) as JSONWebKeySet)
}

function unavailable(why: string): PolicyError {
  return new PolicyError('keys-unavailable', `the keys of the issuer cannot be had: ${why}`)
}
