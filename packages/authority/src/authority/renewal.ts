import { channel } from 'node:diagnostics_channel'
import { createSigningChain } from './issuance.ts'
import type { LocalAuthorities, LocalAuthority } from './local-authorities.ts'
import { halfLife, Schedule } from '../schedule.ts'
import type { Revocations } from './revocations.ts'
import type { AuthoritySettings } from './settings.ts'
import type { Workloads } from './workloads.ts'

// As SPIRE does it: prepared at half of the active authority's life, activated after five sixths, so
// that everyone has the new one in the bundle long before it signs.
const ACTIVATION_POINT = 5 / 6

/** How long a renewal that failed waits for its next try. */
const RETRY_MS = 1000

/** Published when a renewal fails: `{ trustDomain, error }`. The current SVIDs stay in use. */
const renewalFailed = channel('spiffe:authority:renewal-failed')

/** Renews SVIDs, local authorities and revocation lists when they are due. */
export class Renewal {
  readonly #settings: AuthoritySettings
  readonly #authorities: LocalAuthorities
  readonly #workloads: Workloads
  readonly #revocations: Revocations
  readonly #schedule: Schedule

  constructor(
    settings: AuthoritySettings,
    authorities: LocalAuthorities,
    workloads: Workloads,
    revocations: Revocations,
    change: (renew: () => Promise<void>) => Promise<void>,
  ) {
    this.#settings = settings
    this.#authorities = authorities
    this.#workloads = workloads
    this.#revocations = revocations
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
    const now = this.#settings.clock()
    const active = this.#active()
    if (now >= preparationTime(active) && !this.#hasPrepared()) {
      this.#authorities.prepare(await createSigningChain(this.#settings))
    }
    if (now >= activationTime(active)) this.#authorities.activate()
    this.#authorities.removeExpired(now)
    await this.#workloads.reissue(({ rotateAt }) => rotateAt <= now)
  }

  #nextDue(): number {
    const active = this.#active()
    const expiries = this.#authorities
      .list()
      .filter(({ state }) => state === 'old')
      .map(({ notAfter }) => notAfter + 1)
    return Math.min(
      this.#hasPrepared() ? activationTime(active) : preparationTime(active),
      ...expiries,
      this.#workloads.nextRotation,
      this.#revocations.nextIssue,
    )
  }

  #active(): LocalAuthority {
    return this.#authorities.list().find(({ state }) => state === 'active')!
  }

  #hasPrepared(): boolean {
    return this.#authorities.list().some(({ state }) => state === 'prepared')
  }

  #fail(error: unknown): void {
    const trustDomain = this.#settings.trustDomain.name
    if (renewalFailed.hasSubscribers) renewalFailed.publish(Object.freeze({ trustDomain, error }))
    this.#schedule.arm(this.#settings.clock() + RETRY_MS)
  }
}

function preparationTime({ notBefore, notAfter }: LocalAuthority): number {
  return halfLife(notBefore, notAfter)
}

function activationTime({ notBefore, notAfter }: LocalAuthority): number {
  return notBefore + (notAfter - notBefore) * ACTIVATION_POINT
}
