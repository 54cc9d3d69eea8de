import {
  Authority,
  type AuthorityOptions,
  type WorkloadEndpointOptions,
  type WorkloadApiCall,
  type WorkloadEndpoint,
} from '@fastify-spiffe/authority'

export const TRUST_DOMAIN = 'example.org'
export const HARNESS_ID = 'spiffe://example.org/harness'

export interface AgentOptions {
  readonly authority?: Omit<AuthorityOptions, 'trustDomain'>
  readonly endpoint?: WorkloadEndpointOptions
}

/** The embedded authority as the Workload API of one harness: it behaves, until it is told not to. */
export class Agent implements AsyncDisposable {
  readonly authority: Authority
  readonly endpoint: WorkloadEndpoint

  private constructor(authority: Authority, endpoint: WorkloadEndpoint) {
    this.authority = authority
    this.endpoint = endpoint
  }

  static async open({ authority, endpoint }: AgentOptions = {}): Promise<Agent> {
    const made = await Authority.create({ trustDomain: TRUST_DOMAIN, ...authority })
    const identity = endpoint?.identities === undefined ? { spiffeId: HARNESS_ID } : {}
    return new Agent(made, await made.serve({ ...identity, ...endpoint }))
  }

  get address(): string {
    return this.endpoint.address
  }

  /** The calls of the stream that brings SVIDs. */
  get svidCalls(): readonly WorkloadApiCall[] {
    return this.endpoint.calls.filter(({ method }) => method === 'FetchX509SVID')
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.authority.close()
  }
}
