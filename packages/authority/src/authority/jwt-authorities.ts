import { JwtBundle, type SpiffeId } from '@fastify-spiffe/spiffe'
import { readAudience } from '@fastify-spiffe/spiffe/internal'
import { JwtSigner, type JwtMembers } from '../minting/jwt-signer.ts'
import { reader } from '../options.ts'
import { AuthorityStates, type LocalAuthorityState } from './authority-states.ts'
import type { AuthoritySettings } from './settings.ts'

/** One of the authorities of a trust domain that sign JWT-SVIDs. */
export interface LocalJwtAuthority {
  /** The `kid` of the tokens that it signs. */
  readonly id: string
  readonly state: LocalAuthorityState
  /** Milliseconds since the epoch. */
  readonly notBefore: number
  /** Milliseconds since the epoch. */
  readonly notAfter: number
}

/** What a token is made from: a good JWT-SVID, except for what is set here. */
export interface JwtSvidTemplate {
  /** Who is to accept it: one name, or a list. */
  readonly audience: string | readonly string[]
  /** How long it is valid, in ms. Default: that of the authority. */
  readonly ttlMs?: number
  /** Members of the header in the place of its own, or beside them; `undefined` leaves one out. Default: none. */
  readonly header?: JwtMembers
  /** Claims in the place of its own, or beside them; `undefined` leaves one out. Default: none. */
  readonly claims?: JwtMembers
  /** Whether to spoil the signature. Default `false`. */
  readonly corruptSignature?: boolean
}

const TEMPLATE = ['audience', 'ttlMs', 'header', 'claims', 'corruptSignature']
const MAX_TTL_MS = 365 * 86_400_000

/** The authorities of one trust domain that sign JWT-SVIDs, oldest first, and what they sign. */
export class JwtAuthorities {
  readonly #settings: AuthoritySettings
  readonly #states: AuthorityStates<JwtSigner>
  #bundle: JwtBundle

  constructor(settings: AuthoritySettings, active: JwtSigner) {
    this.#settings = settings
    this.#states = new AuthorityStates(active)
    this.#bundle = this.#publicHalves()
  }

  /** Makes the key of an authority, which lives as long as those that sign certificates. */
  static createSigner({
    clock,
    jwtKeyType,
    authorityTtlMs,
  }: AuthoritySettings): Promise<JwtSigner> {
    const now = clock()
    return JwtSigner.create(jwtKeyType, { notBefore: now, notAfter: now + authorityTtlMs })
  }

  get bundle(): JwtBundle {
    return this.#bundle
  }

  list(): readonly LocalJwtAuthority[] {
    return this.#states.list().map(({ signer, state }) => {
      const { id, notBefore, notAfter } = signer
      return Object.freeze({ id, state, notBefore, notAfter })
    })
  }

  async prepare(): Promise<string> {
    const id = this.#states.prepare(await JwtAuthorities.createSigner(this.#settings))
    this.#bundle = this.#publicHalves()
    return id
  }

  activate(id?: string): void {
    this.#states.activate(id)
  }

  remove(id?: string): void {
    this.#states.remove(id)
    this.#bundle = this.#publicHalves()
  }

  get nextDue(): number {
    return this.#states.nextDue
  }

  async renew(now: number): Promise<void> {
    await this.#states.renew(now, () => JwtAuthorities.createSigner(this.#settings))
    this.#bundle = this.#publicHalves()
  }

  /**
   * Signs a token as SPIRE does: `sub`, `aud` as a list, `iat`, and `exp` no later than the end of the authority.
   * @throws {@link AuthorityError} `unknown-option`, `invalid-option`
   */
  sign(id: SpiffeId | string, template: JwtSvidTemplate): string {
    reader.assertKnown('a JWT-SVID', template, TEMPLATE)
    const { clock, jwtSvidTtlMs: defaultValue } = this.#settings
    const { header = {}, claims = {}, corruptSignature = false } = template
    const aud = readAudience(reader, template.audience)
    const ttlMs = reader.asDuration('ttlMs', template.ttlMs, {
      min: -MAX_TTL_MS,
      max: MAX_TTL_MS,
      defaultValue,
    })
    const { active } = this.#states
    const now = clock()
    const token = active.sign(
      {
        sub: id.toString(),
        aud,
        exp: Math.ceil(Math.min(now + ttlMs, active.notAfter) / 1000),
        iat: Math.floor(now / 1000),
        ...claims,
      },
      header,
    )
    return corruptSignature ? spoil(token) : token
  }

  #publicHalves(): JwtBundle {
    const authorities = this.#states.list().map(({ signer }) => signer.authority)
    return JwtBundle.of(this.#settings.trustDomain, authorities)
  }
}

/** Another first character of the signature, which is another first byte. */
function spoil(token: string): string {
  const start = token.lastIndexOf('.') + 1
  const other = token[start] === 'A' ? 'B' : 'A'
  return `${token.slice(0, start)}${other}${token.slice(start + 1)}`
}
