import { JwtSvid, type JwtBundle, type SpiffeId } from '@fastify-spiffe/spiffe'
import { readWorkloadId } from '../workload/identity.ts'
import type { JwtAuthorities, JwtSvidTemplate, LocalJwtAuthority } from './jwt-authorities.ts'
import type { AuthoritySettings } from './settings.ts'

/**
 * The part of an `Authority` that issues JWT-SVIDs. Its keys are independent of those that sign certificates, and are
 * renewed in the same way.
 */
export class JwtIssuer {
  readonly #settings: AuthoritySettings
  readonly #authorities: JwtAuthorities
  readonly #change: <T>(change: () => Promise<T>) => Promise<T>
  readonly #assertOpen: () => void

  /**
   * For `Authority`.
   * @param change runs a change alone, and publishes the outcome
   */
  constructor(
    settings: AuthoritySettings,
    authorities: JwtAuthorities,
    change: <T>(change: () => Promise<T>) => Promise<T>,
    assertOpen: () => void,
  ) {
    this.#settings = settings
    this.#authorities = authorities
    this.#change = change
    this.#assertOpen = assertOpen
  }

  /** What the tokens of the trust domain are verified with: all authorities, also those that do not sign. */
  get bundle(): JwtBundle {
    return this.#authorities.bundle
  }

  /** The authorities, oldest first. */
  get authorities(): readonly LocalJwtAuthority[] {
    return this.#authorities.list()
  }

  /**
   * Issues a JWT-SVID as SPIRE does.
   * @throws {@link AuthorityError} `foreign-spiffe-id`, `unknown-option`, `invalid-option`, `closed`
   * @throws {@link SpiffeError} `invalid-spiffe-id`, or `invalid-svid` when the template does not yield one
   */
  issueJwtSvid(id: SpiffeId | string, template: JwtSvidTemplate): JwtSvid {
    const { trustDomain, clock } = this.#settings
    const token = this.mint(readWorkloadId(trustDomain, id), template)
    return JwtSvid.parse(token, { audience: template.audience, clock })
  }

  /**
   * Signs a token from a template, good or bad, and returns it.
   * @param id becomes `sub`; it may be any string
   * @throws {@link AuthorityError} `unknown-option`, `invalid-option`, `closed`
   */
  mint(id: SpiffeId | string, template: JwtSvidTemplate): string {
    this.#assertOpen()
    return this.#authorities.sign(id, template)
  }

  /** Prepares an authority: it is in the bundle, and does not sign yet. Resolves with its ID. */
  addAuthority(): Promise<string> {
    return this.#change(() => this.#authorities.prepare())
  }

  /**
   * Lets a prepared authority sign, by default the oldest prepared one. The former one stays in the bundle.
   * @throws {@link AuthorityError} `unknown-authority`, `authority-not-prepared`
   */
  activateAuthority(id?: string): Promise<void> {
    return this.#change(async () => this.#authorities.activate(id))
  }

  /**
   * Revokes an authority, by default the oldest old one: it leaves the bundle, and its tokens are worth nothing.
   * @throws {@link AuthorityError} `unknown-authority`, `authority-active`
   */
  removeAuthority(id?: string): Promise<void> {
    return this.#change(async () => this.#authorities.remove(id))
  }

  /** Adds an authority and activates it. The former one stays in the bundle until it is removed or expires. */
  async rotateAuthority(): Promise<void> {
    await this.activateAuthority(await this.addAuthority())
  }
}
