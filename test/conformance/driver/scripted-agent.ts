import type { MintedCa, MintedCertificate } from '@fastify-spiffe/authority'
import { Agent } from './agent.ts'

/** One SVID in the field names of the Workload API. */
export interface SvidEntry {
  readonly spiffe_id: string
  readonly x509_svid: Uint8Array
  readonly x509_svid_key: Uint8Array
  readonly bundle: Uint8Array
  readonly hint?: string
}

/** A complete state of the Workload API. */
export interface AgentState {
  readonly svids: readonly SvidEntry[]
  readonly federated_bundles?: Readonly<Record<string, Uint8Array>>
  readonly crl?: readonly Uint8Array[]
}

const NOTHING = new Uint8Array()

/** A Workload API that sends what the case says, good or bad, to whoever is connected or comes. */
export class ScriptedAgent implements AsyncDisposable {
  readonly #agent: Agent
  readonly #closing = new AbortController()
  readonly #attending: Promise<void>
  #state: AgentState | undefined

  private constructor(agent: Agent) {
    this.#agent = agent
    // The endpoint keeps streams open and says nothing of its own.
    agent.endpoint.hang()
    this.#attending = this.#attend()
  }

  static async open(): Promise<ScriptedAgent> {
    return new ScriptedAgent(await Agent.open({ endpoint: { identities: [] } }))
  }

  get address(): string {
    return this.#agent.address
  }

  /** Sends a state to all streams, and to those that will be opened. */
  publish(state: AgentState): void {
    this.#state = state
    this.#send()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closing.abort()
    await this.#attending
    await this.#agent[Symbol.asyncDispose]()
  }

  // A state may be repeated, so whoever has it already loses nothing.
  async #attend(): Promise<void> {
    const { signal } = this.#closing
    while (!signal.aborted) {
      await this.#agent.endpoint.nextCall({ signal }).then(
        () => this.#send(),
        () => undefined,
      )
    }
  }

  #send(): void {
    const state = this.#state
    if (state === undefined) return
    const { endpoint } = this.#agent
    endpoint.send({ ...state }, { method: 'FetchX509SVID' })
    const bundles = bundlesOf(state)
    if (Object.keys(bundles).length > 0) {
      endpoint.send({ bundles, crl: state.crl ?? [] }, { method: 'FetchX509Bundles' })
    }
  }
}

function bundlesOf({ svids, federated_bundles = {} }: AgentState): Record<string, Uint8Array> {
  const own = svids
    .filter(({ spiffe_id, bundle }) => spiffe_id !== '' && bundle.length > 0)
    .map(({ spiffe_id, bundle }) => [spiffe_id.split('/').slice(0, 3).join('/'), bundle])
  return { ...federated_bundles, ...Object.fromEntries(own) }
}

/** An SVID as the Workload API sends it, with the bundle of the authorities that are given. */
export function entry(
  spiffeId: string,
  minted: MintedCertificate,
  ...authorities: readonly MintedCa[]
): SvidEntry {
  return {
    spiffe_id: spiffeId,
    x509_svid: minted.certificates,
    x509_svid_key: minted.privateKey,
    bundle: bundleBytes(...authorities),
  }
}

/** A bundle as the Workload API sends it. */
export function bundleBytes(...authorities: readonly MintedCa[]): Uint8Array {
  return authorities.length === 0 ? NOTHING : Buffer.concat(authorities.map(({ der }) => der))
}

/** The federated bundles of the trust domains that the authorities are of. */
export function federated(...authorities: readonly MintedCa[]): Record<string, Uint8Array> {
  return Object.fromEntries(
    authorities.map((authority) => [
      `spiffe://${authority.trustDomain.name}`,
      bundleBytes(authority),
    ]),
  )
}
