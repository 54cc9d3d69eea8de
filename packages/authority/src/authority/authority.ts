import type { Bundle, SpiffeId, TrustDomain, WaitOptions } from '@fastify-spiffe/spiffe'
import type { X509Bundle, X509Svid } from '@fastify-spiffe/spiffe'
import { TaskQueue, Updates } from '@fastify-spiffe/spiffe/internal'
import { readEndpointOptions, type WorkloadEndpointOptions } from '../endpoint/options.ts'
import type { WorkloadEndpoint } from '../endpoint/workload-endpoint.ts'
import { AuthorityError } from '../errors.ts'
import type { MintedCa } from '../minting/minted-ca.ts'
import type { MintedCertificate } from '../minting/minted-certificate.ts'
import type { CertificateTemplate, SvidTemplate } from '../minting/template.ts'
import { InProcessSource } from '../source/in-process-source.ts'
import { Federation, type BundlePublisher } from './federation.ts'
import { readIdentity, readWorkloadId, type IdentityOptions } from '../workload/identity.ts'
import { createSigningChain, issueIdentity, mintWith } from './issuance.ts'
import { JwtAuthorities } from './jwt-authorities.ts'
import { JwtIssuer } from './jwt-issuer.ts'
import { LocalAuthorities, type LocalAuthority } from './local-authorities.ts'
import { Renewal } from './renewal.ts'
import { Revocations } from './revocations.ts'
import { readSettings, type AuthorityOptions, type AuthoritySettings } from './settings.ts'
import type { Identity, Workload, WorkloadServer } from '../workload/workload.ts'
import { Workloads } from './workloads.ts'

/**
 * A SPIFFE authority inside the process, **for development and tests only**: its keys exist in memory
 * alone, and every process that opens its socket gets an identity, without attestation.
 *
 * It issues X.509-SVIDs and JWT-SVIDs as SPIRE does, renews the former at half of their life, and hands
 * them out in process ({@link source}) or over the Workload API ({@link serve}). Every change reaches all
 * of them as a complete state. After {@link close}, every method refuses with `closed`.
 */
export class Authority implements AsyncDisposable {
  readonly trustDomain: TrustDomain
  /** Issues JWT-SVIDs, with keys of its own. */
  readonly jwt: JwtIssuer
  readonly #settings: AuthoritySettings
  readonly #authorities: LocalAuthorities
  readonly #federation: Federation
  readonly #workloads: Workloads
  readonly #revocations: Revocations
  readonly #renewal: Renewal
  readonly #updates = new Updates()
  readonly #changes = new TaskQueue()
  #bundle: X509Bundle
  #closed = false

  private constructor(
    settings: AuthoritySettings,
    authorities: LocalAuthorities,
    jwtAuthorities: JwtAuthorities,
  ) {
    const change = <T>(make: () => Promise<T>): Promise<T> => this.#change(make)
    this.trustDomain = settings.trustDomain
    this.#settings = settings
    this.#authorities = authorities
    this.#bundle = authorities.bundle()
    this.#federation = new Federation(this.trustDomain, () => this.#publish())
    this.jwt = new JwtIssuer(settings, jwtAuthorities, change, () => this.#assertOpen())
    this.#workloads = new Workloads({
      issue: (identity) => issueIdentity(identity, authorities, settings),
      signJwtSvid: ({ spiffeId }, audience) => this.jwt.mint(spiffeId, { audience }),
      bundles: () => this.#federation.withOwn(this.#bundle, this.jwt.bundle),
      assign: (workload, identities) =>
        change(() => this.#workloads.reassign(workload, identities)),
    })
    this.#revocations = new Revocations(settings, authorities)
    const renewed = [authorities, jwtAuthorities, this.#workloads, this.#revocations] as const
    this.#renewal = new Renewal(settings, renewed, change)
    this.#renewal.arm()
  }

  /**
   * Makes an authority with a first, active local authority.
   * @throws {@link AuthorityError} `not-for-production`, `unknown-option`, `invalid-option`
   * @throws {@link SpiffeError} `invalid-trust-domain`
   */
  static async create(options: AuthorityOptions): Promise<Authority> {
    const settings = readSettings(options)
    const authority = new Authority(
      settings,
      new LocalAuthorities(settings.trustDomain, await createSigningChain(settings)),
      new JwtAuthorities(settings, await JwtAuthorities.createSigner(settings)),
    )
    if (settings.revocationListTtlMs !== undefined) await authority.#change(async () => {})
    return authority
  }

  /** The bundle of the trust domain: all local authorities, and their revocation lists. */
  get bundle(): X509Bundle {
    return this.#bundle
  }

  /** The local authorities, oldest first. */
  get authorities(): readonly LocalAuthority[] {
    return this.#authorities.list()
  }

  /** Calls `listener` after each change of SVIDs or bundles; the returned function ends it. */
  onUpdate(listener: () => void): () => void {
    return this.#updates.onUpdate(listener)
  }

  /** Resolves after the next change of SVIDs or bundles; rejects with the signal's reason. */
  nextUpdate(options?: WaitOptions): Promise<void> {
    return this.#updates.nextUpdate(options)
  }

  /**
   * Mints a certificate for a workload from a template.
   * @param id any string, of any trust domain
   * @throws {@link AuthorityError} `unmintable`, `unknown-option`, `invalid-option`
   */
  async mint(id: SpiffeId | string, template: SvidTemplate = {}): Promise<MintedCertificate> {
    this.#assertOpen()
    return mintWith(this.#authorities.active, this.#settings, id, template)
  }

  /**
   * Mints an intermediate below the active local authority from a template.
   * @throws {@link AuthorityError} `unmintable`, `unknown-option`, `invalid-option`
   */
  async mintCa(template: CertificateTemplate = {}): Promise<MintedCa> {
    this.#assertOpen()
    return this.#authorities.active.signer.mintCa(template)
  }

  /**
   * Issues an X.509-SVID once; nobody renews it.
   * @throws {@link AuthorityError} `foreign-spiffe-id`, `unmintable`, `unknown-option`, `invalid-option`
   * @throws {@link SpiffeError} `invalid-spiffe-id`, or what the template breaks
   */
  async issueX509Svid(id: SpiffeId | string, template: SvidTemplate = {}): Promise<X509Svid> {
    const minted = await this.mint(readWorkloadId(this.trustDomain, id), template)
    return minted.toX509Svid({ clock: this.#settings.clock })
  }

  /**
   * Supplies a workload of this process, without a socket.
   * @throws {@link AuthorityError} `foreign-spiffe-id`, `unknown-option`, `invalid-option`, `unmintable`
   * @throws {@link SpiffeError} `invalid-spiffe-id`, or what the template breaks
   */
  async source(
    id: SpiffeId | string,
    options: Omit<IdentityOptions, 'spiffeId'> = {},
  ): Promise<InProcessSource> {
    const identity = readIdentity(this.trustDomain, { ...options, spiffeId: id })
    return this.#admit(
      [identity],
      async (workload) => new InProcessSource(workload, this.#settings),
    )
  }

  /**
   * Serves the Workload API to one workload: by default on a Unix socket that only this user can
   * open.
   * @throws {@link AuthorityError} `foreign-spiffe-id`, `unknown-option`, `invalid-option`,
   * `invalid-socket-path`, `socket-in-use`, `unmintable`
   * @throws {@link SpiffeError} `invalid-spiffe-id`
   */
  async serve(options: WorkloadEndpointOptions): Promise<WorkloadEndpoint> {
    const { identities, place } = readEndpointOptions(this.trustDomain, options)
    // Loaded here, so that those who need no socket need not load gRPC.
    const { WorkloadEndpoint } = await import('../endpoint/workload-endpoint.ts')
    const { clock } = this.#settings
    return this.#admit(identities, (workload) => WorkloadEndpoint.open(workload, place, clock))
  }

  /** Issues new SVIDs for all workloads. */
  rotateSvids(): Promise<void> {
    return this.#change(() => this.#workloads.reissue(() => true))
  }

  /**
   * Prepares a local authority: it is in the bundle, and does not sign yet. Resolves with its ID.
   * @throws {@link AuthorityError} `unmintable`, `unknown-option`, `invalid-option`
   */
  addAuthority(template: CertificateTemplate = {}): Promise<string> {
    return this.#change(async () =>
      this.#authorities.prepare(await createSigningChain(this.#settings, template)),
    )
  }

  /**
   * Lets a prepared local authority sign, by default the oldest prepared one. SVIDs that were issued
   * before stay until they are rotated; the former authority stays in the bundle.
   * @throws {@link AuthorityError} `unknown-authority`, `authority-not-prepared`
   */
  activateAuthority(id?: string): Promise<void> {
    return this.#change(async () => this.#authorities.activate(id))
  }

  /**
   * Revokes a local authority, by default the oldest old one: it leaves the bundle, and workloads
   * with an SVID of it get a new one at the same moment.
   * @throws {@link AuthorityError} `unknown-authority`, `authority-active`
   */
  removeAuthority(id?: string): Promise<void> {
    return this.#change(async () => {
      const removed = this.#authorities.remove(id)
      await this.#workloads.reissue(({ authorityId }) => authorityId === removed)
    })
  }

  /**
   * Adds a local authority, publishes it, activates it and rotates all SVIDs. The former one stays
   * in the bundle until it is removed or expires.
   * @throws {@link AuthorityError} `unmintable`
   */
  async rotateAuthority(): Promise<void> {
    const id = await this.addAuthority()
    await this.#change(async () => {
      this.#authorities.activate(id)
      await this.#workloads.reissue(() => true)
    })
  }

  /**
   * Revokes a certificate, for as long as the authority lives: from now on its serial number is on the
   * revocation lists that go with the bundle. A workload that holds it gets no other one for that:
   * {@link rotateSvids} does.
   * @param certificate what was issued, or a serial number as `Certificate.serialNumber` says it
   * @throws {@link AuthorityError} `invalid-option`
   */
  revoke(certificate: X509Svid | string): Promise<void> {
    const serial = typeof certificate === 'string' ? certificate : certificate.leaf.serialNumber
    return this.#change(async () => this.#revocations.add(serial))
  }

  /**
   * Gives all workloads the bundles of another trust domain, and follows them when they come from an
   * `Authority`. One direction only: the other has to federate as well.
   * @throws {@link AuthorityError} `own-trust-domain`
   */
  federate(other: BundlePublisher | X509Bundle | Bundle): void {
    this.#assertOpen()
    this.#federation.add(other)
  }

  /**
   * Takes the bundles of another trust domain away from all workloads.
   * @throws {@link AuthorityError} `closed`
   */
  unfederate(other: TrustDomain | { readonly trustDomain: TrustDomain }): void {
    this.#assertOpen()
    this.#federation.remove('trustDomain' in other ? other.trustDomain : other)
  }

  /** Closes every source and endpoint, and ends all timers. Safe to call twice. */
  async close(): Promise<void> {
    this.#closed = true
    this.#renewal.close()
    this.#federation.close()
    this.#updates.close()
    // What is still being made would otherwise be left open.
    await this.#changes.run(() => this.#workloads.close())
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  #admit<T extends WorkloadServer>(
    identities: readonly Identity[],
    open: (workload: Workload) => Promise<T>,
  ): Promise<T> {
    return this.#exclusively(async () => {
      const workload = await this.#workloads.admit(identities)
      const server = await workload.serveBy(open)
      this.#renewal.arm()
      return server
    })
  }

  /** Runs `change` alone, and publishes the outcome. */
  #change<T>(change: () => Promise<T>): Promise<T> {
    return this.#exclusively(async () => {
      const result = await change()
      await this.#revocations.issue()
      this.#renewal.arm()
      this.#publish()
      return result
    })
  }

  #exclusively<T>(task: () => Promise<T>): Promise<T> {
    return this.#changes.run(async () => {
      this.#assertOpen()
      return task()
    })
  }

  #publish(): void {
    this.#bundle = this.#authorities.bundle(this.#revocations.lists)
    this.#workloads.publish()
    this.#updates.notify()
  }

  #assertOpen(): void {
    if (this.#closed) throw new AuthorityError('closed', 'the authority is closed')
  }
}
