import { MAX_CLOCK_SKEW_MS } from './policy-agreement.ts'
import type { BusProblem } from './bus-calls.ts'
import { replicasChannel, type ReplicasState } from './state.ts'

/** As much of a logger as is needed. */
export interface ReplicasLog {
  info(fields: object, message: string): void
  warn(fields: object, message: string): void
}

/** What is reported in addition to the state. */
export interface ReplicasFindings extends ReplicasState {
  /** What the bus failed with. */
  readonly cause: unknown
  readonly policyVersion: string
  /** The version of the policy document that this replica cannot take over. */
  readonly differingVersion: string | null
  /** Statements about policies that were not believed, since the boot. */
  readonly misdated: number
}

/** A line about one topic and state is written this often at most. */
const MIN_INTERVAL_MS = 60_000

const CURES: Readonly<Record<BusProblem, string>> = {
  'bus-failed':
    'check that it can be reached, permits to publish and subscribe, and takes writes (the cause says what it answered)',
  'bus-timeout': 'check the network, and the load of the bus',
  'bus-deaf':
    'messages that this replica publishes do not reach its own subscription: check that both go to the same server, and that nothing between holds messages back',
}

/** Tells operators how replicas stand: events on each change, and in the log one line for each change, rate-limited. */
export class ReplicasReport {
  readonly #log: ReplicasLog
  readonly #clock: () => number
  #published = ''
  /** The last logged state of each topic. */
  readonly #logged = new Map<string, string>()
  /** When each topic and state was last logged. */
  readonly #loggedAt = new Map<string, number>()

  constructor(log: ReplicasLog, clock: () => number) {
    this.#log = log
    this.#clock = clock
  }

  /** What is held back by the limit now is logged by a later call, if it is still so. */
  update(findings: ReplicasFindings): void {
    this.#publish(findings)
    const { state, pending, policy, unverified, misdated } = findings
    this.#logChange('bus', state, 'current', () => this.#logBus(findings))
    this.#logChange('pending', pending > 0 ? 'some' : 'none', 'none', () => {
      this.#logPending(findings)
    })
    this.#logChange('policy', policy, 'agreed', () => this.#logPolicy(findings))
    this.#logChange('unverified', String(unverified), '0', () => {
      const message =
        'messages on the invalidation bus were not signed with this secret for this bus, and are ignored: all replicas need the same secret, and the prefix must be theirs alone'
      this.#log.warn({ code: 'message-unverified', unverified }, message)
    })
    this.#logChange('clocks', String(misdated), '0', () => {
      const message = `what another replica says of its policy document is not believed: its clock and this one differ by more than ${MAX_CLOCK_SKEW_MS / 60_000} minutes, or an old message was sent again`
      this.#log.warn({ code: 'clock-differs', misdated }, message)
    })
  }

  #publish({ state, pending, problem, policy, unverified }: ReplicasFindings): void {
    const change = `${state} ${pending > 0} ${policy}`
    if (change === this.#published) return
    this.#published = change
    if (!replicasChannel.hasSubscribers) return
    const event: ReplicasState = { state, pending, problem, policy, unverified }
    replicasChannel.publish(Object.freeze(event))
  }

  #logChange(topic: string, state: string, normal: string, write: () => void): void {
    if (state === (this.#logged.get(topic) ?? normal)) return
    // Numbers only grow: they have one limit together.
    const limit = /^\d/.test(state) ? topic : `${topic} ${state}`
    const sinceMs = this.#clock() - (this.#loggedAt.get(limit) ?? -Infinity)
    if (Math.abs(sinceMs) < MIN_INTERVAL_MS) return
    this.#logged.set(topic, state)
    this.#loggedAt.set(limit, this.#clock())
    write()
  }

  #logBus({ state, problem, pending, cause }: ReplicasFindings): void {
    if (state === 'current') {
      return this.#log.info({ state }, 'invalidation bus is back: cached decisions are used')
    }
    const code = problem ?? 'bus-timeout'
    const fields = { code, state, pending, cause: causeOf(cause) }
    const message = `invalidation bus is out of touch: every decision is made again until it is back; ${CURES[code]}`
    this.#log.warn(fields, message)
  }

  #logPending({ problem, pending, cause }: ReplicasFindings): void {
    if (pending === 0) return this.#log.info({ pending }, 'invalidations are published')
    const code = problem ?? 'bus-timeout'
    const message = `invalidations cannot be published, and other replicas may use outdated decisions until a retry succeeds; ${CURES[code]}`
    this.#log.warn({ code, pending, cause: causeOf(cause) }, message)
  }

  #logPolicy({ policy, policyVersion, differingVersion }: ReplicasFindings): void {
    if (policy === 'agreed') {
      return this.#log.info({ policyVersion }, 'replicas have the same policy document in force')
    }
    const fields = { code: 'policy-differs', policyVersion, differingVersion }
    const message =
      'another replica has another policy document in force, which the policy file here does not hold: deploy the file, or call reload() with the document that is right'
    this.#log.warn(fields, message)
  }
}

/** Name, code and message alone: errors of clients carry the command that failed, and AUTH is one. */
function causeOf(cause: unknown): string | undefined {
  if (!(cause instanceof Error)) return cause === undefined ? undefined : typeof cause
  const code = 'code' in cause && typeof cause.code === 'string' ? ` (${cause.code})` : ''
  return `${cause.name}${code}: ${cause.message}`.slice(0, 200)
}
