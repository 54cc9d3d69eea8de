import type { PolicySet } from '@cedar-policy/cedar-wasm/nodejs'

/** The functions of Cedar that store prepared policies by name. */
export interface CedarStore {
  preparsePolicySet(name: string, policies: PolicySet): unknown
  preparseSchema(name: string, schema: string): unknown
}

const EMPTY: PolicySet = { staticPolicies: '' }

/**
 * The names under which Cedar stores prepared policies. They belong to the whole process, and Cedar never deletes one. So
 * there are never more names than are in use at a time, and a name is used again only after its policies were replaced by
 * an empty set, which refuses every request.
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
