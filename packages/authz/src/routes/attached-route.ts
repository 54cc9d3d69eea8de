import { isDeepStrictEqual } from 'node:util'
import type { RouteOptions } from 'fastify'
import { snapshotOf, type TableEntry } from '@fastify-spiffe/policy/internal'

/** What Fastify hands to an `onRoute` hook. */
export type ToldRoute = RouteOptions & { readonly prefix: string; readonly routePath: string }

/** A route that a rule was read for, and what Fastify is to know of it from then on. */
export class AttachedRoute {
  readonly methods: readonly string[]
  /** The URL pattern. */
  readonly url: string
  /** Its `config.spiffe` as it was when it was read; `undefined` where it has none. */
  readonly own: unknown
  readonly #options: ToldRoute
  readonly #constraints: unknown
  readonly #key: symbol
  readonly #index: number

  /**
   * Puts the number of the route into its configuration.
   *
   * @param options - as `onRoute` hands them out; Fastify goes on with the same object
   */
  constructor(options: ToldRoute, key: symbol, { index, own }: TableEntry) {
    const { config, method, url, constraints } = options
    this.methods = [method].flat()
    this.url = url
    this.own = own
    this.#constraints = snapshotOf(constraints)
    this.#options = options
    this.#key = key
    this.#index = index
    // A copy: routes may share one object of configuration, and an automatic HEAD route does.
    options.config = { ...config, [key]: index }
  }

  /** What a hook that came later has changed of all that the rule was compiled for; `null`: nothing. */
  get changed(): string | null {
    const { config, method, url, constraints } = this.#options
    if (!isDeepStrictEqual([method].flat(), this.methods)) return 'method'
    if (!this.#isUrl(url)) return 'url'
    if (!isDeepStrictEqual(constraints, this.#constraints)) return 'constraints'
    if (indexOf(config, this.#key) !== this.#index) return 'config'
    return isDeepStrictEqual(config?.spiffe, this.own) ? null : 'config.spiffe'
  }

  /** Below a prefix, Fastify takes in `/` with and without the slash, and leaves the latter in the options. */
  #isUrl(url: string): boolean {
    return url === this.url || (this.#options.prefix !== '' && url === `${this.url}/`)
  }
}

/** The number that a configuration carries under `key`. */
export function indexOf(config: object | undefined, key: symbol): number | undefined {
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- only `AttachedRoute` knows the symbol
  return (config as { readonly [key: symbol]: number | undefined } | undefined)?.[key]
}
