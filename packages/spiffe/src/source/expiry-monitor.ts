import type { X509Svid } from '../svid/x509-svid.ts'
import { setUnreferencedTimer, type SetTimer } from '../timer.ts'

/** How often the clock is read: a timer's own clock stands still while the machine sleeps. */
const TICK_MS = 1_000

/** The shortest time between two reports of an overdue renewal. */
const RENEWAL_RETRY_MS = 30_000

type Watched = Pick<X509Svid, 'notAfter'>

export interface ExpiryMonitorOptions {
  readonly clock: () => number
  /** Default: timers that do not keep the process alive. */
  readonly setTimer?: SetTimer
  /** Called at least once a second while there is an SVID, and as soon as it has expired. */
  readonly onTick: () => void
  /** Called when a new SVID should have come by now. */
  readonly onRenewalOverdue: () => void
}

/**
 * Watches the clock while there is an SVID, for its expiry and for an overdue renewal. Agents and
 * helpers renew an SVID at half to two thirds of its lifetime. The renewal is overdue at three quarters of the lifetime, and again
 * each time half of the remaining time has passed, but at most every 30 s.
 */
export class ExpiryMonitor {
  readonly #options: ExpiryMonitorOptions
  readonly #setTimer: SetTimer
  #cancelTimer: (() => void) | undefined
  #renewalOverdueAt = Infinity

  constructor(options: ExpiryMonitorOptions) {
    this.#options = options
    this.#setTimer = options.setTimer ?? setUnreferencedTimer
  }

  /** Watches this SVID, which has just come, in place of the one before; `null` ends the watch. */
  set(svid: Watched | null): void {
    this.#cancelTimer?.()
    if (svid === null) return
    const now = this.#options.clock()
    this.#renewalOverdueAt = now + (svid.notAfter - now) * 0.75
    this.#wait(svid)
  }

  #wait(svid: Watched): void {
    const now = this.#options.clock()
    const due = [svid.notAfter + 1, this.#renewalOverdueAt].filter((time) => time > now)
    const delayMs = Math.min(...due.map((time) => time - now), TICK_MS)
    this.#cancelTimer = this.#setTimer(() => this.#tick(svid), delayMs)
  }

  #tick(svid: Watched): void {
    const { clock, onTick, onRenewalOverdue } = this.#options
    this.#wait(svid)
    const now = clock()
    if (now >= this.#renewalOverdueAt) {
      this.#renewalOverdueAt = now + Math.max(RENEWAL_RETRY_MS, (svid.notAfter - now) / 2)
      onRenewalOverdue()
    }
    // Last, because onTick may end the watch.
    onTick()
  }
}
