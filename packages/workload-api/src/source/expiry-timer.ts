import { MAX_TIMER_MS } from '@fastify-spiffe/spiffe'
import type { X509Svid } from '@fastify-spiffe/spiffe'

/** Fires when an SVID has expired. It never keeps the process alive. */
export class ExpiryTimer {
  readonly #clock: () => number
  readonly #onExpiry: () => void
  #timer: NodeJS.Timeout | undefined

  constructor(clock: () => number, onExpiry: () => void) {
    this.#clock = clock
    this.#onExpiry = onExpiry
  }

  /** Watches this SVID instead of the one before; `null` watches none. */
  set(svid: X509Svid | null): void {
    clearTimeout(this.#timer)
    if (svid === null) return
    // In steps: a timer cannot run for longer, and the clock may have been set meanwhile.
    const remainingMs = Math.max(0, svid.notAfter - this.#clock()) + 1
    this.#timer = setTimeout(() => this.#check(svid), Math.min(remainingMs, MAX_TIMER_MS))
    this.#timer.unref()
  }

  #check(svid: X509Svid): void {
    if (svid.isExpired(this.#clock())) this.#onExpiry()
    else this.set(svid)
  }
}
