/** An epoch that is further ahead of the time than this was made by nobody. A replica whose clock is so slow forgets too much. */
export const MAX_AHEAD_MS: number = 10 * 60_000

/**
 * Carries invalidations between the replicas of a service: what has changed and when, never a decision. It makes the
 * epochs, so that the clocks of replicas do not matter. It need not be reliable: what it stores is read again after each
 * interruption, and where it cannot be reached for long, nothing that is remembered is used.
 *
 * An epoch is a whole number: the bus's own time in milliseconds since 1970, or one more than the last if that is greater.
 * So no two are the same, of whatever scopes, and a later one is always greater.
 */
export interface InvalidationBus {
  /** Gives a scope a new epoch, greater than `known` and than all before, stores it, and resolves with it. */
  advance(scope: string, known: number): Promise<number>
  /** Tells the other replicas. */
  publish(notice: string): Promise<void>
  /** Tells the listener of every notice from now on. */
  subscribe(listener: InvalidationListener): Promise<void>
  /**
   * The scopes whose epoch is greater than `readUpTo`, with their epochs. Where the bus knows none as great as `known`, which
   * is `readUpTo` or greater, or may have lost some since `readUpTo`, `*` stands for what was lost: it gets a new epoch,
   * greater than `known`, which is stored for all replicas.
   */
  read(readUpTo: number, known: number): Promise<ReadonlyMap<string, number>>
  close(): Promise<void>
}

export interface InvalidationListener {
  readonly onNotice: (notice: string) => void
  /** Notices may have been lost: called when the connection is there again. */
  readonly onReconnected: () => void
}
