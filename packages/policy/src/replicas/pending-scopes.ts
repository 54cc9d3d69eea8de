import { ALL_TENANTS } from './scope.ts'

/** Where there are more, others are made to forget too much rather than too little. */
const MAX_PENDING = 10_000

/** The scopes that were not published yet, in the order in which they were invalidated. */
export class PendingScopes {
  readonly #scopes = new Set<string>()

  get size(): number {
    return this.#scopes.size
  }

  add(scope: string): void {
    if (this.#scopes.has(ALL_TENANTS)) return
    const isAll = scope === ALL_TENANTS || this.#scopes.size >= MAX_PENDING
    if (isAll) this.#scopes.clear()
    this.#scopes.add(isAll ? ALL_TENANTS : scope)
  }

  /** Takes the first one out. */
  take(): string | undefined {
    const [scope] = this.#scopes
    if (scope !== undefined) this.#scopes.delete(scope)
    return scope
  }
}
