import {
  Workload,
  type Bundles,
  type Identity,
  type IssuedIdentity,
  type WorkloadHost,
} from '../workload/workload.ts'

/** What the workloads need of their authority. */
export interface WorkloadsHost {
  readonly issue: (identity: Identity) => Promise<IssuedIdentity>
  readonly bundles: () => Bundles
  readonly assign: WorkloadHost['assign']
  readonly signJwtSvid: WorkloadHost['signJwtSvid']
}

/** All workloads of an authority: what is issued for them, and how it is published. */
export class Workloads {
  readonly #host: WorkloadsHost
  readonly #issued = new Map<Workload, readonly IssuedIdentity[]>()

  constructor(host: WorkloadsHost) {
    this.#host = host
  }

  /** When the next SVID is to be renewed. */
  get nextRotation(): number {
    const times = [...this.#issued.values()].flatMap((identities) =>
      identities.map(({ rotateAt }) => rotateAt),
    )
    return Math.min(Infinity, ...times)
  }

  /** Takes up a workload. */
  async admit(identities: readonly Identity[]): Promise<Workload> {
    const issued = await Promise.all(identities.map(this.#host.issue))
    const { assign, signJwtSvid } = this.#host
    const release = (workload: Workload): void => void this.#issued.delete(workload)
    const workload = new Workload(
      { assign, signJwtSvid, release },
      { identities: issued, ...this.#host.bundles() },
    )
    this.#issued.set(workload, issued)
    return workload
  }

  /** Gives a workload other identities, from the next {@link publish} on. */
  async reassign(workload: Workload, identities: readonly Identity[]): Promise<void> {
    this.#hold(workload, await Promise.all(identities.map(this.#host.issue)))
  }

  /** Issues what is due again, from the next {@link publish} on. */
  async reissue(isDue: (identity: IssuedIdentity) => boolean): Promise<void> {
    const renewals = [...this.#issued].map(async ([workload, identities]) => {
      const renewed = identities.map((identity) =>
        isDue(identity) ? this.#host.issue(identity) : Promise.resolve(identity),
      )
      this.#hold(workload, await Promise.all(renewed))
    })
    await Promise.all(renewals)
  }

  /** Tells every workload its complete state. */
  publish(): void {
    const bundles = this.#host.bundles()
    for (const [workload, identities] of this.#issued) workload.replace({ identities, ...bundles })
  }

  /** Closes what serves the workloads. */
  async close(): Promise<void> {
    await Promise.all([...this.#issued.keys()].map((workload) => workload.close()))
  }

  // A workload may have left while its SVIDs were being issued.
  #hold(workload: Workload, issued: readonly IssuedIdentity[]): void {
    if (this.#issued.has(workload)) this.#issued.set(workload, issued)
  }
}
