/**
 * Carries invalidations between the replicas of a service: what has changed and when, never a decision. It need not be
 * reliable: what it stores is read again after each interruption, and where it cannot be reached for long, nothing that
 * is remembered is used.
 */
export interface InvalidationBus {
  /** Stores the epoch of a scope unless a greater one is stored, and tells the other replicas. */
  publish(scope: string, epoch: number, notice: string): Promise<void>
  /** Tells the listener of every notice from now on. */
  subscribe(listener: InvalidationListener): Promise<void>
  /** What is stored: the epoch of each scope. */
  read(): Promise<ReadonlyMap<string, number>>
  close(): Promise<void>
}

export interface InvalidationListener {
  readonly onNotice: (notice: string) => void
  /** Notices may have been lost: called when the connection is there again. */
  readonly onReconnected: () => void
}
