/** Look-ups after which a cache is judged, and for how many questions it is left alone where it does not pay. */
const WINDOW = 1000
const LEFT_ALONE = 10_000
/** A look-up and a store cost about a sixth of what a `cpu` engine does. */
const LEAST_SHARE = 0.15

/** What a cache that does not pay is told of. */
export type OnBypass = (hitShare: number) => void

/**
 * Watches whether remembering the decisions of one step pays. Where too few answers come from the cache, it is left alone
 * for a while, and tried again.
 */
export class CacheWorth {
  readonly #onBypass: OnBypass
  #lookups = 0
  #hits = 0
  #leftAlone = 0

  constructor(onBypass: OnBypass) {
    this.#onBypass = onBypass
  }

  /** Whether to ask without the cache this time. */
  isBypassed(): boolean {
    if (this.#leftAlone === 0) return false
    this.#leftAlone--
    return true
  }

  /** Takes note of what a look-up brought. */
  note(isHit: boolean): void {
    if (isHit) this.#hits++
    if (++this.#lookups < WINDOW) return
    const share = this.#hits / this.#lookups
    this.#lookups = 0
    this.#hits = 0
    if (share >= LEAST_SHARE) return
    this.#leftAlone = LEFT_ALONE
    this.#onBypass(share)
  }
}
