/** How often everything is forgotten at once in one heartbeat. */
const MAX_PER_HEARTBEAT = 3

/**
 * Forgets everything when messages may have been lost. An evaluation that is overtaken twice is
 * refused, so an attacker who can interrupt subscriptions again and again could have all requests
 * refused. After a few times the cache is not used until the next heartbeat, and then everything is
 * forgotten once.
 */
export class Forgetting {
  readonly #forgetAll: () => void
  #times = 0

  constructor(forgetAll: () => void) {
    this.#forgetAll = forgetAll
  }

  /** Whether the cache may not be used until the next heartbeat. */
  get isDue(): boolean {
    return this.#times > MAX_PER_HEARTBEAT
  }

  forget(): void {
    if (++this.#times <= MAX_PER_HEARTBEAT) this.#forgetAll()
  }

  /** What is to be forgotten is unknown until the next heartbeat. */
  suspend(): void {
    this.#times = Infinity
  }

  /** What goes on makes the next heartbeat one in which nothing is used, without a first few times. */
  onHeartbeat(): void {
    const { isDue } = this
    this.#times = isDue ? MAX_PER_HEARTBEAT : 0
    if (isDue) this.#forgetAll()
  }
}
