import { describeCause, TaskQueue } from '@fastify-spiffe/spiffe/internal'
import type { OwnCertificate } from '../certificate/own-certificate.ts'
import type { OcspCertificate } from '../events.ts'
import { judge, query, type Failure, type HeldAnswer } from './query.ts'
import { refreshDelay, retryDelay } from './schedule.ts'
import type { FollowSettings } from '../settings.ts'

/** What is known of a certificate, for health checks and metrics. */
export interface StapleStatus extends OcspCertificate {
  /** Whether handshakes get a staple now. */
  readonly stapled: boolean
  /** What the last answer says that was taken; `null`: there was none yet. */
  readonly status: 'good' | 'revoked' | null
  /** Of the last answer that was taken, in ms since the epoch. */
  readonly thisUpdate: number | null
  /** Of the last answer that was taken, in ms since the epoch: the staple ends then. */
  readonly nextUpdate: number | null
  /** Why the last refresh failed; `null`: it did not. */
  readonly lastFailure: Failure | null
}

/** Follows one certificate: holds the last good answer about it, and renews it in the background. */
export class FollowedCertificate {
  readonly #own: OwnCertificate
  readonly #settings: FollowSettings
  readonly #identity: OcspCertificate
  readonly #closed = new AbortController()
  readonly #writes = new TaskQueue()
  #held: HeldAnswer | null = null
  #lastFailure: Failure | null = null
  #failures = 0
  #attempts = 0
  #isLost = true
  #running: Promise<void> | null = null
  #cancelTimer: () => void = () => {}

  constructor(own: OwnCertificate, settings: FollowSettings) {
    this.#own = own
    this.#settings = settings
    const { serialNumber, fingerprint256 } = own.certificate
    this.#identity = { serialNumber, fingerprint256, mustStaple: own.mustStaple }
  }

  /** The response to staple now; `null`: none. It is looked up in each handshake, and waits for nothing. */
  get staple(): Buffer | null {
    if (this.#held === null) return null
    const { response, answer } = this.#held
    // Written so that a clock which gives NaN staples nothing.
    if (!(this.#settings.clock() <= answer.nextUpdate)) return null
    return answer.status === 'good' || this.#settings.stapleRevoked ? response : null
  }

  get status(): StapleStatus {
    const answer = this.#held?.answer
    return Object.freeze({
      ...this.#identity,
      stapled: this.staple !== null,
      status: answer?.status === 'revoked' ? 'revoked' : answer === undefined ? null : 'good',
      thisUpdate: answer?.thisUpdate ?? null,
      nextUpdate: answer?.nextUpdate ?? null,
      lastFailure: this.#lastFailure,
    })
  }

  /** Whether the certificate itself has expired, so that nobody presents it any more. */
  get isExpired(): boolean {
    return this.#settings.clock() > this.#own.certificate.notAfter
  }

  /** Takes what was stored, and asks the responder if that is not current. Resolves after the first attempt. Never rejects. */
  async start(): Promise<void> {
    await this.#restore()
    if (this.#closed.signal.aborted) return
    const { clock, random } = this.#settings
    const held = this.#held
    if (held === null || isPastHalf(held, clock())) {
      const first = this.refresh()
      // What was stored serves until the answer is there.
      if (this.staple === null) await first
      return
    }
    this.#schedule(refreshDelay(held.answer, clock(), random))
  }

  /** Asks the responder now. Resolves when it has answered, well or not; a second call waits for the first one. Never rejects. */
  refresh(): Promise<void> {
    this.#running ??= this.#refresh().finally(() => {
      this.#running = null
    })
    return this.#running
  }

  /** Ends all that runs. The staple stays what it is. Resolves when nothing is being written any more. */
  close(): Promise<void> {
    this.#closed.abort()
    this.#cancelTimer()
    return this.#writes.run(() => Promise.resolve())
  }

  async #restore(): Promise<void> {
    const { store } = this.#settings
    if (store === null) return
    try {
      const response = await store.read(this.#own.fingerprint)
      if (response === null) return
      // Whoever can write to the folder can write anything: it is verified as if it came from the network.
      const result = judge(response, this.#own, this.#settings, null)
      if (result.ok) this.#take(result.held, 'store')
    } catch (error) {
      this.#reportStore('read', error)
    }
  }

  async #refresh(): Promise<void> {
    this.#cancelTimer()
    const { responders } = this.#own
    const responder = responders[this.#attempts % responders.length]!
    this.#attempts += 1
    const result = await query(this.#own, responder, this.#settings, this.#closed.signal)
    if (this.#closed.signal.aborted) return
    const failure = result.ok ? this.#olderThanHeld(result.held) : result
    if (failure === null && result.ok) this.#succeed(result.held)
    else if (failure !== null) this.#fail(failure)
  }

  /** Whoever is on the way could otherwise put "good" back in the place of "revoked". */
  #olderThanHeld({ answer }: HeldAnswer): Failure | null {
    if (this.#held === null || answer.thisUpdate >= this.#held.answer.thisUpdate) return null
    const message = 'the answer is older than the one that is held'
    return { code: 'older-answer', message }
  }

  #succeed(held: HeldAnswer): void {
    const { clock, random } = this.#settings
    this.#failures = 0
    this.#lastFailure = null
    this.#take(held, 'responder')
    this.#schedule(refreshDelay(held.answer, clock(), random))
    // In order: a good answer must not be written over a revoked one.
    void this.#writes.run(() => this.#store(held))
  }

  #take(held: HeldAnswer, origin: 'responder' | 'store'): void {
    const { report } = this.#settings
    const { answer } = held
    const wasRevoked = this.#held?.answer.status === 'revoked'
    this.#held = held
    const { thisUpdate, nextUpdate } = answer
    const status = answer.status === 'revoked' ? 'revoked' : 'good'
    report.refreshed({ ...this.#identity, status, thisUpdate, nextUpdate, origin })
    if (answer.status === 'revoked' && !wasRevoked) {
      const { revokedAt, reason: cause = null } = answer
      report.revoked({ ...this.#identity, revokedAt, cause })
    }
    this.#noteLoss()
  }

  #fail({ code, message }: Failure): void {
    const { report, retryMs, random, clock } = this.#settings
    this.#failures += 1
    this.#lastFailure = Object.freeze({ code, message })
    const stapledUntil = this.staple === null ? null : this.#held!.answer.nextUpdate
    const failures = this.#failures
    report.refreshFailed({ ...this.#identity, code, message, failures, stapledUntil })
    this.#noteLoss()
    const delay = retryDelay(failures, retryMs, random)
    // Not later than when the staple ends, which is then reported.
    const left = stapledUntil === null ? Infinity : stapledUntil - clock() + 1
    this.#schedule(Math.max(1, Math.min(delay, left)))
  }

  /** Reports once that there is no staple any more. */
  #noteLoss(): void {
    const isLost = this.staple === null
    if (isLost && !this.#isLost) this.#settings.report.stapleLost({ ...this.#identity })
    this.#isLost = isLost
  }

  #schedule(delayMs: number): void {
    this.#cancelTimer()
    if (this.#closed.signal.aborted || this.isExpired) return
    this.#cancelTimer = this.#settings.setTimer(() => void this.refresh(), delayMs)
  }

  async #store({ response }: HeldAnswer): Promise<void> {
    try {
      await this.#settings.store?.write(this.#own.fingerprint, response)
    } catch (error) {
      this.#reportStore('write', error)
    }
  }

  #reportStore(operation: 'read' | 'write', error: unknown): void {
    const cause = describeCause(error)
    this.#settings.report.storeFailed({ ...this.#identity, operation, cause })
  }
}

function isPastHalf({ answer }: HeldAnswer, now: number): boolean {
  return !(now < (answer.thisUpdate + answer.nextUpdate) / 2)
}
