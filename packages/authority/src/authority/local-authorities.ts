import type { Certificate } from '@fastify-spiffe/spiffe'
import { AuthorityError } from '../errors.ts'
import type { MintedCa } from '../minting/minted-ca.ts'

/**
 * The state of a local authority, in SPIRE's words.
 *
 * - `prepared`: in the bundle, does not sign yet.
 * - `active`: signs. There is always exactly one.
 * - `old`: signs no more, still in the bundle.
 */
export type LocalAuthorityState = 'prepared' | 'active' | 'old'

/** One of the authorities of a trust domain. */
export interface LocalAuthority {
  /** The SHA-256 fingerprint of its certificate. */
  readonly id: string
  readonly state: LocalAuthorityState
  readonly certificate: Certificate
  /** Milliseconds since the epoch. */
  readonly notBefore: number
  /** Milliseconds since the epoch. */
  readonly notAfter: number
}

/** The certificates with which an authority signs. */
export interface SigningChain {
  /** The one in the bundle. */
  readonly anchor: MintedCa
  /** The one that signs SVIDs: the last intermediate, or the anchor. */
  readonly signer: MintedCa
}

interface Entry extends SigningChain {
  state: LocalAuthorityState
}

/** The authorities of one trust domain, oldest first, and the transitions between their states. */
export class LocalAuthorities {
  readonly #entries = new Map<string, Entry>()

  constructor(active: SigningChain) {
    this.#entries.set(idOf(active), { ...active, state: 'active' })
  }

  get active(): SigningChain {
    return this.#first('active')![1]
  }

  get activeId(): string {
    return this.#first('active')![0]
  }

  /** All CAs that have signed or may sign: the authorities and the intermediates below them. */
  get signers(): MintedCa[] {
    return [...this.#entries.values()].flatMap(({ signer }) => upwards(signer))
  }

  list(): LocalAuthority[] {
    return [...this.#entries].map(([id, { anchor, state }]) => {
      const { certificate } = anchor
      const { notBefore, notAfter } = certificate
      return Object.freeze({ id, state, certificate, notBefore, notAfter })
    })
  }

  /** Adds an authority that does not sign yet. Returns its ID. */
  prepare(chain: SigningChain): string {
    const id = idOf(chain)
    this.#entries.set(id, { ...chain, state: 'prepared' })
    return id
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
    this.#first('active')![1].state = 'old'
    next.state = 'active'
  }

  /**
   * Removes an authority from the bundle; by default the oldest old one. Returns its ID.
   * @throws {@link AuthorityError} `unknown-authority`, `authority-active`
   */
  remove(id?: string): string {
    const entry = this.#find(id, 'old')
    if (entry.state === 'active') {
      throw new AuthorityError(
        'authority-active',
        `authority ${id} signs; activate another before it is removed`,
      )
    }
    const removed = idOf(entry)
    this.#entries.delete(removed)
    return removed
  }

  /** Removes the old authorities whose certificates have expired. */
  removeExpired(now: number): void {
    for (const [id, { anchor, state }] of this.#entries) {
      if (state === 'old' && anchor.certificate.notAfter < now) this.#entries.delete(id)
    }
  }

  #first(state: LocalAuthorityState): [string, Entry] | undefined {
    return [...this.#entries].find(([, entry]) => entry.state === state)
  }

  #find(id: string | undefined, otherwise: LocalAuthorityState): Entry {
    const entry = id === undefined ? this.#first(otherwise)?.[1] : this.#entries.get(id)
    if (entry === undefined) {
      const what = id === undefined ? `authority is ${otherwise}` : 'authority has this ID'
      throw new AuthorityError('unknown-authority', `no ${what}`)
    }
    return entry
  }
}

function upwards(ca: MintedCa): MintedCa[] {
  return ca.parent === undefined ? [ca] : [ca, ...upwards(ca.parent)]
}

function idOf({ anchor }: SigningChain): string {
  return anchor.certificate.fingerprint256
}
