import type { SetTimer } from '@fastify-spiffe/spiffe'
import { setUnreferencedTimer } from '@fastify-spiffe/spiffe/internal'
import type { HealthReason } from './report.ts'

/** Whether something that the application needs is there: a database, a queue. What throws is not. */
export type HealthCheck = () => boolean | Promise<boolean>

/** A check, and what its failure means. */
export interface NamedCheck {
  readonly name: string
  readonly check: HealthCheck
  /** Whether the service is unready without it, and not only degraded. */
  readonly isRequired: boolean
}

export interface HealthCheckOptions {
  readonly timeoutMs: number
  /** How long an answer stands: whoever reaches the port cannot make the checks run more often. */
  readonly maxAgeMs: number
  readonly clock: () => number
  readonly setTimer?: SetTimer
}

/** Runs the checks of an application: all at once, for all who ask meanwhile, each within its time. */
export class HealthChecks {
  readonly #checks: readonly NamedCheck[]
  readonly #options: HealthCheckOptions
  readonly #setTimer: SetTimer
  #running: Promise<readonly HealthReason[]> | null = null
  #last: readonly HealthReason[] = []
  #validUntil = -Infinity

  constructor(checks: readonly NamedCheck[], options: HealthCheckOptions) {
    this.#checks = checks
    this.#options = options
    this.#setTimer = options.setTimer ?? setUnreferencedTimer
  }

  /** Those that are not as they should be. Never rejects. */
  async run(): Promise<readonly HealthReason[]> {
    const { clock, maxAgeMs } = this.#options
    if (this.#checks.length === 0) return []
    const now = clock()
    // A clock that was set back ends it too.
    if (now < this.#validUntil && now >= this.#validUntil - maxAgeMs) return this.#last
    this.#running ??= this.#runAll().finally(() => {
      this.#running = null
    })
    return await this.#running
  }

  async #runAll(): Promise<readonly HealthReason[]> {
    const outcomes = await Promise.all(this.#checks.map((each) => this.#runOne(each)))
    this.#last = outcomes.filter((reason) => reason !== null)
    this.#validUntil = this.#options.clock() + this.#options.maxAgeMs
    return this.#last
  }

  async #runOne({ name, check, isRequired }: NamedCheck): Promise<HealthReason | null> {
    if ((await this.#within(check)) === true) return null
    return { code: isRequired ? 'check-failed' : 'check-degraded', check: name }
  }

  #within(run: HealthCheck): Promise<unknown> {
    return new Promise((resolve) => {
      const cancel = this.#setTimer(() => resolve(false), this.#options.timeoutMs)
      void outcomeOf(run).then(resolve).finally(cancel)
    })
  }
}

/** Whatever it does, throwing included. */
async function outcomeOf(run: HealthCheck): Promise<unknown> {
  try {
    return await run()
  } catch {
    return false
  }
}
