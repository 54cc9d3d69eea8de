import type { PolicySet } from '@cedar-policy/cedar-wasm/nodejs'

/** The part of Cedar that keeps policies by name. */
export interface CedarStore {
  preparsePolicySet(name: string, policies: PolicySet): unknown
  preparseSchema(name: string, schema: string): unknown
}

const EMPTY: PolicySet = { staticPolicies: '' }

/**
 * Names under which Cedar keeps prepared policies. They are of the whole process, and Cedar never forgets one: so there are
 * never more than are in use at a time, and one is used again only when it holds no policies, which refuses everybody.
 */
export class PreparedPolicyPool {
  readonly #keeper: CedarStore
  readonly #free: string[] = []
  #count = 0

  constructor(keeper: CedarStore) {
    this.#keeper = keeper
  }

  get count(): number {
    return this.#count
  }

  take(): string {
    return this.#free.pop() ?? `fastify-spiffe-authz-${++this.#count}`
  }

  release(name: string): void {
    this.#keeper.preparsePolicySet(name, EMPTY)
    this.#keeper.preparseSchema(name, '')
    this.#free.push(name)
  }
}
