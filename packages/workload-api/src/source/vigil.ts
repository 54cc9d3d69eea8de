import type { X509Svid } from '@fastify-spiffe/spiffe'

/** Timers run on a clock of their own, which stands still while the machine sleeps. */
const LOOK_EVERY_MS = 1_000

/** Between two questions for a successor that does not come. */
const ASK_AGAIN_MS = 30_000

type Watched = Pick<X509Svid, 'notAfter'>

export interface VigilOptions {
  readonly clock: () => number
  /** Called at least once a second, and as soon as the SVID has expired. */
  readonly onLook: () => void
  /** Called when the successor of the SVID is overdue. */
  readonly onOverdue: () => void
}

/**
 * Keeps an eye on the clock for as long as there is an SVID: on its expiry, and on the arrival of its
 * successor, which agents fetch at half of the lifetime. After three quarters it is overdue, and then
 * again after half of what is left, every 30 s at most. It never keeps the process alive.
 */
export class Vigil {
  readonly #options: VigilOptions
  #timer: NodeJS.Timeout | undefined
  #overdueAt = Infinity

  constructor(options: VigilOptions) {
    this.#options = options
  }

  /** Watches this SVID, which has just come, instead of the one before; `null` watches none. */
  set(svid: Watched | null): void {
    clearTimeout(this.#timer)
    if (svid === null) return
    const now = this.#options.clock()
    this.#overdueAt = now + (svid.notAfter - now) * 0.75
    this.#wait(svid)
  }

  #wait(svid: Watched): void {
    const now = this.#options.clock()
    const due = [svid.notAfter + 1, this.#overdueAt].filter((time) => time > now)
    const delayMs = Math.min(...due.map((time) => time - now), LOOK_EVERY_MS)
    this.#timer = setTimeout(() => this.#look(svid), delayMs)
    this.#timer.unref()
  }

  #look(svid: Watched): void {
    const { clock, onLook, onOverdue } = this.#options
    this.#wait(svid)
    const now = clock()
    if (now >= this.#overdueAt) {
      this.#overdueAt = now + Math.max(ASK_AGAIN_MS, (svid.notAfter - now) / 2)
      onOverdue()
    }
    // Last, because who looks may end the vigil.
    onLook()
  }
}
