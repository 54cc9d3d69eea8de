import type { BundleSet, JwtBundle, SpiffeId, X509Bundle } from '@fastify-spiffe/spiffe'
import { Updates } from '@fastify-spiffe/spiffe/internal'
import type { MintedCertificate } from '../minting/minted-certificate.ts'
import type { SvidTemplate } from '../minting/template.ts'

/** An identity that a workload is to get. */
export interface Identity {
  readonly spiffeId: SpiffeId
  /** `''` when there is none. */
  readonly hint: string
  readonly template: SvidTemplate
}

/** An identity with the SVID that was issued for it. */
export interface IssuedIdentity extends Identity {
  readonly minted: MintedCertificate
  /** The authority that it stems from. */
  readonly authorityId: string
  /** When a new one is due; `Infinity` when the template has times of its own. */
  readonly rotateAt: number
}

/** The bundles that every workload gets. */
export interface Bundles {
  readonly bundle: X509Bundle
  readonly federatedBundles: readonly X509Bundle[]
  /** The JWT bundles, the own one among them. */
  readonly jwtBundles: BundleSet<JwtBundle>
}

/** What one workload knows at a time. It is replaced as a whole. */
export interface WorkloadState extends Bundles {
  /** The first is the default identity. */
  readonly identities: readonly IssuedIdentity[]
}

/** What a workload can ask of those who look after it. */
export interface WorkloadHost {
  /** Signs a token; throws {@link AuthorityError} `invalid-option`, `closed`. */
  signJwtSvid(identity: Identity, audience: readonly string[]): string
  assign(workload: Workload, identities: readonly Identity[]): Promise<void>
  release(workload: Workload): void
}

/** What serves a workload: a source or an endpoint. */
export interface WorkloadServer {
  close(): Promise<void>
}

/** One workload that the authority looks after, whichever way it is served. */
export class Workload {
  readonly #updates = new Updates()
  readonly #host: WorkloadHost
  #state: WorkloadState
  #server: WorkloadServer | undefined

  constructor(host: WorkloadHost, state: WorkloadState) {
    this.#host = host
    this.#state = state
  }

  get state(): WorkloadState {
    return this.#state
  }

  /** Replaces the material of the workload, and informs its server. */
  replace(state: WorkloadState): void {
    this.#state = state
    this.#updates.notify()
  }

  onUpdate(listener: () => void): () => void {
    return this.#updates.onUpdate(listener)
  }

  /** Asks for other identities. */
  assign(identities: readonly Identity[]): Promise<void> {
    return this.#host.assign(this, identities)
  }

  /**
   * Signs a token for one of the identities.
   * @throws {@link AuthorityError} `invalid-option`, `closed`
   */
  signJwtSvid(identity: Identity, audience: readonly string[]): string {
    return this.#host.signJwtSvid(identity, audience)
  }

  /** Opens what serves the workload; when that fails, the workload is given up. */
  async serveBy<T extends WorkloadServer>(open: (workload: Workload) => Promise<T>): Promise<T> {
    try {
      const server = await open(this)
      this.#server = server
      return server
    } catch (error) {
      this.leave()
      throw error
    }
  }

  /** Leaves the authority, which issues nothing for it any more. The server calls it in the end. */
  leave(): void {
    this.#updates.close()
    this.#host.release(this)
  }

  /** Closes what serves the workload. */
  async close(): Promise<void> {
    await this.#server?.close()
  }
}
