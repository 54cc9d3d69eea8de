import type { SetTimer } from '@fastify-spiffe/spiffe'
import type { InvalidationBus, InvalidationListener } from './bus.ts'
import { BusCalls, BusError, type BusProblem, within } from './bus-calls.ts'

export interface BusLinkParts {
  readonly bus: InvalidationBus
  readonly onMessage: (message: string) => void
  /** The subscription is in place: what was published before may have been lost. */
  readonly onSubscribed: () => void
  readonly clock: () => number
  /** For the deadlines of the bus. */
  readonly setTimer: SetTimer
}

/** How often a message is published again within one call because the subscription is a new one. */
const MAX_ATTEMPTS = 3

/** The bus as one replica uses it: it knows when it was last in touch. Nothing that the bus does makes it throw but as documented. */
export class BusLink {
  readonly #parts: BusLinkParts
  readonly #calls: BusCalls
  #end: (() => unknown) | null = null
  /** Of the subscription. What a former one calls is ignored. */
  #generation = 0
  #isInPlace = false
  #subscriptionError: unknown
  #onSettled: ((isInPlace: boolean) => void) | null = null
  #beat = 0
  #onEcho: ((outcome: 'heard' | 'resubscribed') => void) | null = null
  #lastContact = -Infinity
  #isClosed = false

  constructor(parts: BusLinkParts) {
    this.#parts = parts
    this.#calls = new BusCalls(parts.setTimer)
  }

  /** When the last own message that this replica received was published. */
  get lastContact(): number {
    return this.#lastContact
  }

  /** Why there is no subscription, as far as the bus has said that. */
  get subscriptionError(): unknown {
    return this.#subscriptionError
  }

  /** @throws {BusError} */
  async publish(message: string): Promise<void> {
    await this.#calls.run(async () => this.#parts.bus.publish(message))
  }

  /**
   * Publishes a message, and waits until the subscription has brought it. Where it does not, the next call begins another
   * subscription.
   *
   * @param write - writes the message with a number that is {@link heard} of then
   * @throws {BusError}
   */
  async confirm(write: (beat: number) => string): Promise<void> {
    await this.#untilInPlace()
    for (let attempt = 0; attempt < MAX_ATTEMPTS; attempt++) {
      const sentAt = this.#parts.clock()
      const echo = new Promise<'heard' | 'resubscribed'>((resolve) => (this.#onEcho = resolve))
      await this.publish(write(++this.#beat))
      if ((await this.#unlessDeaf(echo)) === 'resubscribed') continue
      this.#lastContact = sentAt
      return
    }
    throw new BusError('bus-deaf', 'the subscription is interrupted again and again')
  }

  /** The subscription has brought a message with this number. */
  heard(beat: number): void {
    if (beat === this.#beat) this.#onEcho?.('heard')
  }

  async close(): Promise<void> {
    this.#isClosed = true
    await this.#within(this.#unsubscribe(), 'bus-timeout').catch(() => undefined)
  }

  /** @throws {BusError} `bus-failed`, `bus-timeout` */
  async #untilInPlace(): Promise<void> {
    if (this.#isInPlace) return
    const settled = new Promise<boolean>((resolve) => (this.#onSettled = resolve))
    if (this.#end === null && !this.#isClosed) this.#subscribe()
    const isInPlace =
      this.#isInPlace || (await this.#within(settled, 'bus-timeout').catch(() => null))
    if (isInPlace === true) return
    void this.#unsubscribe()
    const code = isInPlace === false ? 'bus-failed' : 'bus-timeout'
    throw new BusError(code, 'there is no subscription')
  }

  #within<T>(answer: Promise<T>, code: BusProblem): Promise<T> {
    return within(answer, code, this.#parts.setTimer)
  }

  async #unlessDeaf<T>(echo: Promise<T>): Promise<T> {
    try {
      return await this.#within(echo, 'bus-deaf')
    } catch (error) {
      void this.#unsubscribe()
      throw error
    }
  }

  #subscribe(): void {
    const generation = ++this.#generation
    const ifCurrent =
      <Args extends unknown[]>(listener: (...args: Args) => void) =>
      (...args: Args): void => {
        if (generation === this.#generation) guarded(() => listener(...args))
      }
    const listener: InvalidationListener = {
      onMessage: ifCurrent((message) => this.#parts.onMessage(message)),
      onSubscribed: ifCurrent(() => this.#onSubscribed()),
      onError: ifCurrent((error) => this.#onError(error)),
    }
    try {
      this.#end = this.#parts.bus.subscribe(listener)
    } catch (error) {
      this.#onError(error)
    }
  }

  #onSubscribed(): void {
    this.#isInPlace = true
    this.#subscriptionError = undefined
    this.#parts.onSubscribed()
    this.#onSettled?.(true)
    this.#onEcho?.('resubscribed')
  }

  #onError(error: unknown): void {
    this.#isInPlace = false
    this.#subscriptionError = error
    this.#onSettled?.(false)
  }

  async #unsubscribe(): Promise<void> {
    const end = this.#end
    this.#end = null
    this.#isInPlace = false
    this.#generation++
    try {
      await end?.()
    } catch {
      // It is not used any more.
    }
  }
}

/** A bus may call its listener where an exception would end the process. */
function guarded(listener: () => void): void {
  try {
    listener()
  } catch {
    // A missing message shows as a gap.
  }
}
