import type { SetTimer } from '@fastify-spiffe/spiffe'
import { CodedError } from '@fastify-spiffe/spiffe/internal'
import { Deadline } from '../deadline.ts'

/** What is wrong with a bus. */
export type BusProblem = 'bus-failed' | 'bus-timeout' | 'bus-deaf'

export class BusError extends CodedError<BusProblem> {
  override readonly name = 'BusError'
}

/** What a bus may take for one answer. */
export const BUS_TIMEOUT_MS = 2000
/** A client may keep what it is given until it is connected again: it is given no more than this. */
const MAX_UNSETTLED = 3

/** Calls a bus, which may hang, reject and throw. */
export class BusCalls {
  readonly #setTimer: SetTimer
  #unsettled = 0

  constructor(setTimer: SetTimer) {
    this.#setTimer = setTimer
  }

  /** @throws {BusError} `bus-timeout`, `bus-failed` */
  async run(call: () => Promise<unknown>): Promise<void> {
    if (this.#unsettled >= MAX_UNSETTLED) throw new BusError('bus-timeout', 'no answer')
    await within(this.#settling(call), 'bus-timeout', this.#setTimer)
  }

  async #settling(call: () => Promise<unknown>): Promise<void> {
    this.#unsettled++
    try {
      await call()
    } catch (cause) {
      throw new BusError('bus-failed', 'the bus failed', { cause })
    } finally {
      this.#unsettled--
    }
  }
}

/**
 * Settles as `answer` does, if that is in time.
 *
 * @throws {BusError} `code` otherwise
 */
export async function within<T>(
  answer: Promise<T>,
  code: BusProblem,
  setTimer: SetTimer,
): Promise<T> {
  const late = Symbol('late')
  const racing = new Deadline().race<T | typeof late>(answer, BUS_TIMEOUT_MS, late, setTimer)
  const outcome = await racing
  if (outcome === late) throw new BusError(code, `no answer within ${BUS_TIMEOUT_MS} ms`)
  return outcome
}
