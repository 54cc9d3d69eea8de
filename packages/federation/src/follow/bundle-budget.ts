import type { Bundle } from '@fastify-spiffe/spiffe'

/**
 * What the bundles of all trust domains may take in sum. Half of it is shared out evenly, so that the large bundles of some
 * leave room for those of usual size of all others; the other half is for what goes beyond an even share.
 */
export class BundleBudget {
  readonly #maxBytes: number
  readonly #held = new Map<string, number>()
  #total = 0

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes
  }

  get totalBytes(): number {
    return this.#total
  }

  /** Counts what a trust domain holds, however much it is. Each trust domain that may come to hold something has its share. */
  hold(name: string, bytes: number): void {
    this.#total += bytes - (this.#held.get(name) ?? 0)
    this.#held.set(name, bytes)
  }

  /** Counts what a trust domain is to hold from now on, if that fits. What is no more than before always does. */
  tryHold(name: string, bytes: number): boolean {
    const before = this.#held.get(name) ?? 0
    const isGood = bytes <= before || (this.#hasRoom(bytes - before) && this.#isFair(name, bytes))
    if (isGood) this.hold(name, bytes)
    return isGood
  }

  /** The trust domain holds nothing any more. */
  release(name: string): void {
    this.#total -= this.#held.get(name) ?? 0
    this.#held.delete(name)
  }

  #hasRoom(more: number): boolean {
    return this.#total + more <= this.#maxBytes
  }

  #isFair(name: string, bytes: number): boolean {
    const half = this.#maxBytes / 2
    const share = half / Math.max(1, this.#held.size)
    if (bytes <= share) return true
    let excess = bytes - share
    for (const [other, held] of this.#held) {
      if (other !== name) excess += Math.max(0, held - share)
    }
    return excess <= half
  }
}

/** What the rest of a key takes beside the values that are counted: names of members, and punctuation. */
const REST_OF_KEY = 100

/** About what a bundle takes in the SPIFFE bundle format, without what was ignored. */
export function bytesOf({ x509, jwt, witKeys, ignored }: Bundle): number {
  let bytes = REST_OF_KEY * (1 + ignored.length)
  for (const { raw, publicKey } of x509.authorities) {
    bytes += REST_OF_KEY + base64Length(raw.length + publicKey.spki.length)
  }
  for (const key of [...jwt.authorities.map(({ jwk }) => jwk), ...witKeys]) {
    bytes += REST_OF_KEY
    for (const value of Object.values(key)) bytes += value.length
  }
  return bytes
}

function base64Length(octets: number): number {
  return Math.ceil((octets * 4) / 3)
}
