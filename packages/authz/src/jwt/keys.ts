import { readFile } from 'node:fs/promises'
import {
  createLocalJWKSet,
  createRemoteJWKSet,
  type JSONWebKeySet,
  type JWTVerifyGetKey,
} from 'jose'
import type { JwksLocation } from './options.ts'

/** For how long keys, and tokens that were verified by them, are believed without looking again, in milliseconds. */
export const MAX_AGE_MS: number = 10 * 60_000

/** Finds the key of a token in a JSON Web Key Set. One that is not there makes it read the set again, within bounds. */
export function keysOf(
  location: JwksLocation,
  cooldownMs: number,
  clock: () => number,
): JWTVerifyGetKey {
  if ('file' in location) return new KeyFile(location.file, cooldownMs, clock).find
  const options = { cooldownDuration: cooldownMs, cacheMaxAge: MAX_AGE_MS }
  return createRemoteJWKSet(new URL(location.url), options)
}

type FindKey = ReturnType<typeof createLocalJWKSet>

class KeyFile {
  readonly #file: string
  readonly #cooldownMs: number
  readonly #clock: () => number
  /** The last good ones. */
  #keys: FindKey | undefined
  #readAt = -Infinity
  #triedAt = -Infinity
  #reading: Promise<void> = Promise.resolve()

  constructor(file: string, cooldownMs: number, clock: () => number) {
    this.#file = file
    this.#cooldownMs = cooldownMs
    this.#clock = clock
  }

  readonly find: JWTVerifyGetKey = async (header, token) => {
    const keys = await this.#current()
    try {
      return await keys(header, token)
    } catch (error) {
      // A key that is not there may have come since. While the file is being written, it stays not there.
      if (performance.now() - this.#triedAt < this.#cooldownMs) throw error
      await this.#read().catch(() => undefined)
      return (this.#keys ?? keys)(header, token)
    }
  }

  async #current(): Promise<FindKey> {
    await this.#reading.catch(() => undefined)
    const isOld = !(Math.abs(this.#clock() - this.#readAt) < MAX_AGE_MS)
    if (this.#keys === undefined || isOld) await this.#read()
    if (this.#keys === undefined) throw new Error(`${this.#file} has not been read`)
    return this.#keys
  }

  #read(): Promise<void> {
    this.#triedAt = performance.now()
    this.#reading = this.#load()
    return this.#reading
  }

  async #load(): Promise<void> {
    const set: JSONWebKeySet = JSON.parse(await readFile(this.#file, 'utf8'))
    this.#keys = createLocalJWKSet(set)
    this.#readAt = this.#clock()
  }
}
