/**
 * Carries messages between the replicas of a service. It stores nothing and keeps nothing secret, and need not be
 * reliable: a message may be lost, repeated or late, and anybody may add some. Replicas sign and number their messages,
 * and forget everything when one is missing.
 *
 * A bus has to promise three things. What `publish` resolves for reaches every subscription that is in place, also that of
 * the replica which published it, and otherwise `publish` rejects. `onSubscribed` is called each time that a subscription
 * comes into place, also after an interruption. Messages of one replica keep their order, or else replicas forget too much.
 */
export interface InvalidationBus {
  /** Tells this bus from others that have the same secret: a message that is signed for one is not believed on another. */
  readonly name: string
  /** Sends a message of at most 4096 characters to all replicas. Called for one message after another. */
  publish(message: string): Promise<void>
  /**
   * Begins a subscription, which reconnects by itself as far as it can. Returns the function that
   * ends it. A replica that does not receive its own messages ends its subscription and begins
   * another one.
   */
  subscribe(listener: InvalidationListener): () => void | Promise<void>
}

/** What a subscription calls. None of these functions throws. */
export interface InvalidationListener {
  readonly onMessage: (message: string) => void
  /** The subscription is in place, for the first time or again: messages before this moment may have been lost. */
  readonly onSubscribed: () => void
  /** Why the subscription is not in place at present, for the log. */
  readonly onError: (error: unknown) => void
}

/** No message is longer. */
export const MAX_MESSAGE_LENGTH = 4096
