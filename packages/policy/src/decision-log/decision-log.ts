import type { SetTimer } from '@fastify-spiffe/spiffe'
import { setReferencedTimer } from '@fastify-spiffe/spiffe/internal'
import type { Call, CallReader } from '../call.ts'
import type { Decision } from '../decision/decision.ts'
import type { Enforcement } from '../decision/enforcement.ts'
import { chainOf } from '../hypothetical-call.ts'
import type { TenantResolver } from '../principals/tenant.ts'
import { chainRecordOf } from './chain-record.ts'
import { type DecisionRecord, eventOf } from './event.ts'
import type { DecisionLogSettings } from './options.ts'
import { WaitingRecords } from './waiting-records.ts'

/** What became of the decisions that were to be recorded. */
export interface DecisionLogStats {
  readonly written: number
  /** Allows that were left out by `allowSampleRate`. */
  readonly leftOut: number
  /** Too many were waiting, or they were waiting still when the application closed. */
  readonly dropped: number
  /** `write` failed. */
  readonly failed: number
}

export interface DecisionLogParts extends DecisionLogSettings {
  readonly reader: CallReader
  readonly tenantOf: TenantResolver | null
  readonly clock: () => number
  /** At least 0 and less than 1. */
  readonly random: () => number
  /** Told when the application closes before all is written. */
  readonly onLost: (lost: LostDecisions) => void
  /** Ends the wait for `write` when the application closes. Default: `setTimeout`. */
  readonly setTimer?: SetTimer
}

/** What `write` did not take in time. */
export interface LostDecisions {
  /** Decisions that `write` was never given. */
  readonly dropped: number
  /** Decisions that `write` was given: their outcome is not known. */
  readonly underWay: number
}

const NOBODY = Object.freeze({
  spiffeId: null,
  trustDomain: null,
  tenant: null,
  proof: null,
  chain: null,
})

/**
 * Keeps a compact record of each decision while the request waits, and makes and writes the events later: an event costs
 * a hundred times what a rule does.
 */
export class DecisionLog {
  readonly #parts: DecisionLogParts
  readonly #waiting: WaitingRecords<DecisionRecord>
  #timer: NodeJS.Timeout | undefined
  #writing: Promise<void> | undefined
  #underWay = 0
  readonly #counts = { written: 0, leftOut: 0, dropped: 0, failed: 0 }

  constructor(parts: DecisionLogParts) {
    this.#parts = parts
    this.#waiting = new WaitingRecords(parts.maxWaiting)
  }

  record(call: Call, decision: Decision, { policyVersion, isShadow }: Enforcement): void {
    const { reader, allowSampleRate, random, clock, flushMs } = this.#parts
    if (decision.allowed && random() >= allowSampleRate) {
      this.#counts.leftOut++
      return
    }
    const hasDropped = this.#waiting.add({
      decision,
      time: clock(),
      method: reader.method(call),
      route: reader.route(call),
      ...this.#principalsOf(call),
      remoteAddress: reader.remoteAddress(call),
      requestId: reader.id(call),
      policyVersion,
      mode: isShadow ? 'shadow' : 'enforce',
    })
    if (hasDropped) this.#counts.dropped++
    this.#timer ??= setTimeout(() => void this.flush(), flushMs).unref()
  }

  /** Writes what waits. Resolves when it is written, or lost. */
  flush(): Promise<void> {
    clearTimeout(this.#timer)
    this.#timer = undefined
    this.#writing ??= this.#writeAll().finally(() => {
      this.#writing = undefined
    })
    return this.#writing
  }

  /** Writes what waits, for as long as `closeTimeoutMs`; then it is dropped. */
  async close(): Promise<void> {
    // Keeps the process alive, which could otherwise end before the loss is logged.
    const { setTimer = setReferencedTimer, closeTimeoutMs, onLost } = this.#parts
    let stopTimer: (() => void) | undefined
    const late = new Promise<void>((resolve) => {
      stopTimer = setTimer(resolve, closeTimeoutMs)
    })
    await Promise.race([this.flush(), late])
    stopTimer?.()
    const lost = { dropped: this.#waiting.take(Infinity).length, underWay: this.#underWay }
    this.#counts.dropped += lost.dropped
    if (lost.dropped + lost.underWay > 0) onLost(lost)
  }

  stats(): DecisionLogStats {
    return Object.freeze({ ...this.#counts })
  }

  /** What a batch that is being written keeps waiting stays where it is counted. */
  async #writeAll(): Promise<void> {
    while (this.#waiting.size > 0) {
      await this.#write(this.#waiting.take(this.#parts.maxBatch))
    }
  }

  async #write(batch: readonly DecisionRecord[]): Promise<void> {
    const { labels, mask, write } = this.#parts
    this.#underWay = batch.length
    try {
      await write(batch.map((record) => eventOf(record, labels, mask)))
      this.#counts.written += batch.length
    } catch {
      // Only the counter can show it: the log itself has failed.
      this.#counts.failed += batch.length
    } finally {
      this.#underWay = 0
    }
  }

  #principalsOf(call: Call): Pick<DecisionRecord, keyof typeof NOBODY> {
    const { reader } = this.#parts
    const caller = reader.caller(call)
    if (caller === null) return NOBODY
    const { spiffeId } = caller
    const chain = chainOf(reader, call)
    return {
      spiffeId: spiffeId.toString(),
      trustDomain: spiffeId.trustDomain.name,
      tenant: this.#parts.tenantOf?.(spiffeId)?.name ?? null,
      proof: caller.proof === 'jwt-svid' ? caller.proof : null,
      chain: chain && chainRecordOf(spiffeId, chain),
    }
  }
}
