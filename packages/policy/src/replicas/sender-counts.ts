import { LRUCache } from 'lru-cache'
import type { InvalidationMessage } from './message.ts'

/** Senders that are tracked. One that is not counts as new. */
const MAX_SENDERS = 1000
/** A sender that has been silent for this many times as long as one may be is not expected back. */
const MAX_SILENCES = 10

interface Heard {
  readonly count: number
  /** Of the last heartbeat. */
  readonly beat: number
  /**
   * When the sender's last message arrived, in milliseconds since the epoch; `null` for one that
   * has announced its end.
   */
  readonly at: number | null
}

/**
 * Keeps account of how many invalidations each replica has published, so that a lost message is noticed with the next one
 * of the same sender, and a message that is sent again does nothing.
 */
export class SenderCounts {
  readonly #senders = new LRUCache<string, Heard>({ max: MAX_SENDERS })
  readonly #clock: () => number

  constructor(clock: () => number) {
    this.#clock = clock
  }

  /**
   * `next`: no message of the sender was lost before this one. `gap`: some were, or may have been.
   * `repeated`: this one arrived before, or a later one did.
   */
  record(message: InvalidationMessage): 'next' | 'gap' | 'repeated' {
    const { kind, sender, count } = message
    const known = this.#senders.get(sender) ?? { count: 0, beat: 0, at: 0 }
    const expected = kind === 'invalidation' ? known.count + 1 : known.count
    // Nothing comes after the end.
    if (count < expected || known.at === null) return 'repeated'
    // Or heartbeats that are sent again would hide that their sender is silent.
    if (kind === 'sync' && message.beat <= known.beat) return 'repeated'
    const beat = kind === 'sync' ? message.beat : known.beat
    this.#senders.set(sender, { count, beat, at: kind === 'end' ? null : this.#clock() })
    return count === expected ? 'next' : 'gap'
  }

  /** Whether a sender has been silent for so long without having said that it ends: it may not be able to publish. */
  isAnySilent(afterMs: number): boolean {
    const now = this.#clock()
    return [...this.#senders.values()].some(({ at }) => {
      return at !== null && now - at > afterMs && now - at <= afterMs * MAX_SILENCES
    })
  }
}
