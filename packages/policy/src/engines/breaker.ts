/** When calls of a tenant to a failing engine are suspended. */
export interface BreakerOptions {
  /** The breaker opens after this many failures in a row. Default 5. */
  readonly consecutiveFailures?: number
  /** It also opens when this ratio of the calls of the last 10 s failed, of at least {@link minimumCalls}. Default 0.2. */
  readonly failureRate?: number
  /** The number of calls in 10 s below which `failureRate` does not apply. Default 20. */
  readonly minimumCalls?: number
  /**
   * How long the breaker stays open, ± 20 %, in milliseconds. Then one call probes the engine. While the engine fails for
   * several tenants, one of them probes it after this time, and each other tenant after up to ten times as long. Default 1000.
   */
  readonly openMs?: number
}

/**
 * Where a circuit breaker stands: `closed` lets calls through, `open` lets none, `half-open` lets
 * one through to try.
 */
export type BreakerState = 'closed' | 'open' | 'half-open'

export interface BreakerParts {
  readonly options: Required<BreakerOptions>
  /** A monotonic clock, in milliseconds. */
  readonly clock: () => number
  /** At least 0 and less than 1. */
  readonly random: () => number
  /** Called with the state of the engine as a whole, when it changes. */
  readonly onChange: (state: BreakerState) => void
}

const WINDOW_SLOTS = 10
const SLOT_MS = 1000
const JITTER = 0.2

/** The default options of a breaker. */
export const breakerDefaults: Required<BreakerOptions> = {
  consecutiveFailures: 5,
  failureRate: 0.2,
  minimumCalls: 20,
  openMs: 1000,
}

/**
 * Admits calls while they mostly succeed. When too many fail it opens: it admits no call for `openMs`, then a single
 * probe. A probe that succeeds closes the breaker; one that fails keeps it open for the same time again.
 */
export class Breaker {
  readonly #parts: Omit<BreakerParts, 'onChange'>
  readonly #window: { slot: number; calls: number; failures: number }[] = []
  #state: BreakerState = 'closed'
  #consecutive = 0
  #openedAt = 0
  #openForMs = 0
  #isProbing = false
  #generation = 0

  constructor(parts: Omit<BreakerParts, 'onChange'>) {
    this.#parts = parts
  }

  get state(): BreakerState {
    return this.#state
  }

  /** Changes with the state: the outcome of a call of an earlier generation does not count. */
  get generation(): number {
    return this.#generation
  }

  /**
   * Whether a call may be made now. Each admitted call is followed by one of the three methods below, if the generation is
   * still the same.
   *
   * @param delayFactor multiplies the time that an open breaker waits
   */
  admits(delayFactor: number): boolean {
    if (this.#state === 'closed') return true
    if (this.#state === 'open') {
      if (this.#parts.clock() - this.#openedAt < this.#openForMs * delayFactor) return false
      this.#become('half-open')
    }
    if (this.#isProbing) return false
    this.#isProbing = true
    return true
  }

  succeeded(): void {
    this.#consecutive = 0
    if (this.#state === 'closed') this.#record(0)
    else this.#close()
  }

  failed(): void {
    if (this.#state === 'half-open') return this.#open()
    this.#consecutive++
    this.#record(1)
    if (this.#failsTooOften()) this.#open()
  }

  /** A failure that opens the breaker at once, whatever came before. */
  trip(): void {
    if (this.#state !== 'open') this.#open()
  }

  /** The call shows nothing about the engine. */
  unknown(): void {
    this.#isProbing = false
  }

  #failsTooOften(): boolean {
    const { consecutiveFailures, failureRate, minimumCalls } = this.#parts.options
    if (this.#consecutive >= consecutiveFailures) return true
    const oldest = this.#slot() - WINDOW_SLOTS
    const recent = this.#window.filter(({ slot }) => slot > oldest)
    const calls = recent.reduce((sum, slot) => sum + slot.calls, 0)
    const failures = recent.reduce((sum, slot) => sum + slot.failures, 0)
    return calls >= minimumCalls && failures >= calls * failureRate
  }

  #record(failures: 0 | 1): void {
    const slot = this.#slot()
    const last = this.#window.at(-1)
    if (last?.slot === slot) {
      last.calls++
      last.failures += failures
      return
    }
    this.#window.push({ slot, calls: 1, failures })
    if (this.#window.length > WINDOW_SLOTS) this.#window.shift()
  }

  #slot(): number {
    return Math.floor(this.#parts.clock() / SLOT_MS)
  }

  #open(): void {
    const { options, clock, random } = this.#parts
    this.#isProbing = false
    this.#openedAt = clock()
    this.#openForMs = options.openMs * (1 - JITTER + 2 * JITTER * random())
    this.#become('open')
  }

  #close(): void {
    this.#isProbing = false
    this.#window.length = 0
    this.#become('closed')
  }

  #become(state: BreakerState): void {
    this.#state = state
    this.#generation++
  }
}
