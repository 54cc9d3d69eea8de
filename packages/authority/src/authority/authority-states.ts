import { AuthorityError } from '../errors.ts'
import { halfLife } from '../schedule.ts'

/**
 * The state of a local authority, in SPIRE's words.
 *
 * - `prepared`: in the bundle, does not sign yet.
 * - `active`: signs. There is always exactly one.
 * - `old`: signs no more, still in the bundle.
 */
export type LocalAuthorityState = 'prepared' | 'active' | 'old'

/** What has a state: an authority of one kind. Times in milliseconds since the epoch. */
export interface Signer {
  readonly id: string
  readonly notBefore: number
  readonly notAfter: number
}

/** An authority and its state. */
export interface SignerState<T extends Signer> {
  readonly signer: T
  readonly state: LocalAuthorityState
}

// As SPIRE does it: prepared at half of the active authority's life, activated after five sixths, so
// that everyone has the new one in the bundle long before it signs.
const ACTIVATION_POINT = 5 / 6

/** The authorities of one kind, oldest first, and the transitions between their states. */
export class AuthorityStates<T extends Signer> {
  readonly #entries = new Map<string, { readonly signer: T; state: LocalAuthorityState }>()

  constructor(active: T) {
    this.#entries.set(active.id, { signer: active, state: 'active' })
  }

  get active(): T {
    return this.#first('active')!.signer
  }

  list(): readonly SignerState<T>[] {
    return [...this.#entries.values()]
  }

  /** Adds an authority that does not sign yet. Returns its ID. */
  prepare(signer: T): string {
    this.#entries.set(signer.id, { signer, state: 'prepared' })
    return signer.id
  }

  /**
   * Makes a prepared authority the one that signs; by default the oldest prepared one. The one that
   * signed until now is old.
   * @throws {@link AuthorityError} `unknown-authority`, `authority-not-prepared`
   */
  activate(id?: string): void {
    const next = this.#find(id, 'prepared')
    if (next.state !== 'prepared') {
      throw new AuthorityError(
        'authority-not-prepared',
        `only a prepared authority can be activated; ${id} is ${next.state}`,
      )
    }
    this.#first('active')!.state = 'old'
    next.state = 'active'
  }

  /**
   * Removes an authority from the bundle; by default the oldest old one. Returns its ID.
   * @throws {@link AuthorityError} `unknown-authority`, `authority-active`
   */
  remove(id?: string): string {
    const { signer, state } = this.#find(id, 'old')
    if (state === 'active') {
      throw new AuthorityError(
        'authority-active',
        `authority ${id} signs; activate another before it is removed`,
      )
    }
    this.#entries.delete(signer.id)
    return signer.id
  }

  /** When {@link renew} has something to do. */
  get nextDue(): number {
    const { active } = this
    const expiries = this.list()
      .filter(({ state }) => state === 'old')
      .map(({ signer }) => signer.notAfter + 1)
    const renewal = this.#first('prepared') ? activationTime(active) : preparationTime(active)
    return Math.min(renewal, ...expiries)
  }

  /** Prepares and activates a successor when it is time, and removes the old ones that have expired. */
  async renew(now: number, create: () => Promise<T>): Promise<void> {
    const { active } = this
    if (now >= preparationTime(active) && !this.#first('prepared')) this.prepare(await create())
    if (now >= activationTime(active)) this.activate()
    for (const [id, { signer, state }] of this.#entries) {
      if (state === 'old' && signer.notAfter < now) this.#entries.delete(id)
    }
  }

  #first(state: LocalAuthorityState): { signer: T; state: LocalAuthorityState } | undefined {
    return [...this.#entries.values()].find((entry) => entry.state === state)
  }

  #find(
    id: string | undefined,
    otherwise: LocalAuthorityState,
  ): { signer: T; state: LocalAuthorityState } {
    const entry = id === undefined ? this.#first(otherwise) : this.#entries.get(id)
    if (entry === undefined) {
      const what = id === undefined ? `authority is ${otherwise}` : 'authority has this ID'
      throw new AuthorityError('unknown-authority', `no ${what}`)
    }
    return entry
  }
}

function preparationTime({ notBefore, notAfter }: Signer): number {
  return halfLife(notBefore, notAfter)
}

function activationTime({ notBefore, notAfter }: Signer): number {
  return notBefore + (notAfter - notBefore) * ACTIVATION_POINT
}
