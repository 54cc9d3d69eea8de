import { channel } from 'node:diagnostics_channel'
import { createSigningChain } from './issuance.ts'
import type { JwtAuthorities } from './jwt-authorities.ts'
import type { LocalAuthorities } from './local-authorities.ts'
import { Schedule } from '../schedule.ts'
import type { Revocations } from './revocations.ts'
import type { AuthoritySettings } from './settings.ts'
import type { Workloads } from './workloads.ts'

/** How long a renewal that failed waits for its next try. */
const RETRY_MS = 1000

/** Published when a renewal fails: `{ trustDomain, error }`. The current SVIDs stay in use. */
const renewalFailed = channel('spiffe:authority:renewal-failed')

/** What is renewed. */
export type Renewed = readonly [
  authorities: LocalAuthorities,
  jwtAuthorities: JwtAuthorities,
  workloads: Workloads,
  revocations: Revocations,
]

/** Renews SVIDs, local authorities and revocation lists when they are due. */
export class Renewal {
  readonly #settings: AuthoritySettings
  readonly #renewed: Renewed
  readonly #schedule: Schedule

  constructor(
    settings: AuthoritySettings,
    renewed: Renewed,
    change: (renew: () => Promise<void>) => Promise<void>,
  ) {
    this.#settings = settings
    this.#renewed = renewed
    this.#schedule = new Schedule(settings.clock, settings.setTimer, () => {
      if (this.#nextDue() > settings.clock()) this.arm()
      else change(() => this.#renew()).catch((error: unknown) => this.#fail(error))
    })
  }

  /** Sets the timer for what is due next. */
  arm(): void {
    this.#schedule.arm(this.#nextDue())
  }

  close(): void {
    this.#schedule.close()
  }

  async #renew(): Promise<void> {
    const [authorities, jwtAuthorities, workloads] = this.#renewed
    const now = this.#settings.clock()
    await authorities.renew(now, () => createSigningChain(this.#settings))
    await jwtAuthorities.renew(now)
    await workloads.reissue(({ rotateAt }) => rotateAt <= now)
  }

  #nextDue(): number {
    const [authorities, jwtAuthorities, workloads, revocations] = this.#renewed
    return Math.min(
      authorities.nextDue,
      jwtAuthorities.nextDue,
      workloads.nextRotation,
      revocations.nextIssue,
    )
  }

  #fail(error: unknown): void {
    const trustDomain = this.#settings.trustDomain.name
    if (renewalFailed.hasSubscribers) renewalFailed.publish(Object.freeze({ trustDomain, error }))
    this.#schedule.arm(this.#settings.clock() + RETRY_MS)
  }
}
