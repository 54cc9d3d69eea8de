/** When an engine that fails for a tenant is not asked on its behalf for a while. */
export interface BreakerOptions {
  /** So many failures without a success between them. Default 5. */
  readonly consecutiveFailures?: number
  /** Or this share of the calls of the last 10 s, if there were at least {@link minimumCalls}. Default 0.2. */
  readonly failureRate?: number
  /** Default 20. */
  readonly minimumCalls?: number
  /**
   * For how long, ± 20 %, in milliseconds. Then a single call tries whether it works again. While the engine fails for
   * several tenants, one of them tries after so long, and each by itself after up to ten times as long. Default 1000.
   */
  readonly openMs?: number
}

export type BreakerState = 'closed' | 'open' | 'half-open'

export interface BreakerParts {
  readonly options: Required<BreakerOptions>
  /** Milliseconds that only go forward. */
  readonly clock: () => number
  /** At least 0 and less than 1. */
  readonly random: () => number
  /** Told how the engine as a whole stands, when that changes. */
  readonly onChange: (state: BreakerState) => void
}

const SLOTS = 10
const SLOT_MS = 1000
const JITTER = 0.2

/** What a breaker does unless told otherwise. */
export const breakerDefaults: Required<BreakerOptions> = {
  consecutiveFailures: 5,
  failureRate: 0.2,
  minimumCalls: 20,
  openMs: 1000,
}

/**
 * Lets calls through while they mostly succeed. When too many fail it opens: no call comes through for `openMs`, then
 * one, the probe. When the probe succeeds it closes, else it stays open for as long again.
 */
export class Breaker {
  readonly #parts: Omit<BreakerParts, 'onChange'>
  readonly #window: { slot: number; calls: number; failures: number }[] = []
  #state: BreakerState = 'closed'
  #consecutive = 0
  #openedAt = 0
  #openForMs = 0
  #isProbing = false
  #era = 0

  constructor(parts: Omit<BreakerParts, 'onChange'>) {
    this.#parts = parts
  }

  get state(): BreakerState {
    return this.#state
  }

  /** Changes with the state. What a call of an earlier era comes to says nothing of this one. */
  get generation(): number {
    return this.#era
  }

  /**
   * Whether a call may be made now. Each call that may is followed by one of the three below, if its era lasts.
   *
   * @param patience - how many times as long as usual an open breaker waits
   */
  admits(patience: number): boolean {
    if (this.#state === 'closed') return true
    if (this.#state === 'open') {
      if (this.#parts.clock() - this.#openedAt < this.#openForMs * patience) return false
      this.#become('half-open')
    }
    if (this.#isProbing) return false
    this.#isProbing = true
    return true
  }

  succeeded(): void {
    this.#consecutive = 0
    if (this.#state === 'closed') this.#note(0)
    else this.#close()
  }

  failed(): void {
    if (this.#state === 'half-open') return this.#open()
    this.#consecutive++
    this.#note(1)
    if (this.#failsTooOften()) this.#open()
  }

  /** A failure that opens the breaker at once, whatever came before. */
  trip(): void {
    if (this.#state !== 'open') this.#open()
  }

  /** Nothing was learnt of the engine. */
  unknown(): void {
    this.#isProbing = false
  }

  #failsTooOften(): boolean {
    const { consecutiveFailures, failureRate, minimumCalls } = this.#parts.options
    if (this.#consecutive >= consecutiveFailures) return true
    const oldest = this.#slot() - SLOTS
    const recent = this.#window.filter(({ slot }) => slot > oldest)
    const calls = recent.reduce((sum, slot) => sum + slot.calls, 0)
    const failures = recent.reduce((sum, slot) => sum + slot.failures, 0)
    return calls >= minimumCalls && failures >= calls * failureRate
  }

  #note(failures: 0 | 1): void {
    const slot = this.#slot()
    const last = this.#window.at(-1)
    if (last?.slot === slot) {
      last.calls++
      last.failures += failures
      return
    }
    this.#window.push({ slot, calls: 1, failures })
    if (this.#window.length > SLOTS) this.#window.shift()
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
    this.#era++
  }
}
