import { describeName, describeValue } from '@fastify-spiffe/spiffe/internal'
import { PolicyError } from './errors.ts'

/** Where the rule is that is being compiled, so that an error says where to look. */
export class RuleLocation {
  /** The URL pattern of the route; empty for requests that match none. */
  readonly url: string
  /** The methods of the route; none where that is not known. */
  readonly methods: readonly string[]
  /** The key of the rule. */
  readonly root: string
  /** Whether it is of no route in particular, and may name the parameters of any. */
  readonly isOfAnyRoute: boolean
  readonly #label: string

  private constructor(
    label: string,
    url: string,
    root: string,
    methods: readonly string[],
    isOfAnyRoute = false,
  ) {
    this.url = url
    this.methods = methods
    this.root = root
    this.#label = label
    this.isOfAnyRoute = isOfAnyRoute
  }

  /** @param root - where the route has its own rule */
  static ofRoute(
    methods: readonly string[],
    url: string,
    root: string = 'config.spiffe',
  ): RuleLocation {
    return new RuleLocation(`${methods.join(', ')} ${url}`, url, root, methods)
  }

  static ofNotFound(): RuleLocation {
    return new RuleLocation('option', '', 'notFound', [])
  }

  /** Of what a policy document says by itself, at `root`. */
  static ofDocument(source: string, root: string): RuleLocation {
    return new RuleLocation(source, '', root, [], true)
  }

  /** The same route, whose rule is at `root`. */
  at(root: string): RuleLocation {
    return new RuleLocation(this.#label, this.url, root, this.methods, this.isOfAnyRoute)
  }

  /** The same route, whose rule is at `root` of a policy document. */
  within(source: string, root: string): RuleLocation {
    return new RuleLocation(
      `${source}: ${this.#label}`,
      this.url,
      root,
      this.methods,
      this.isOfAnyRoute,
    )
  }

  /** Route, document and key, for people. */
  toString(): string {
    return `${this.#label}: ${this.root}`
  }

  /**
   * The members of an object that has none but the named ones.
   *
   * @throws {PolicyError} `invalid-rule`
   */
  members(key: string, value: unknown, names: readonly string[]): ReadonlyMap<string, unknown> {
    const members = this.entries(key, value)
    for (const [name, member] of members) {
      if (!names.includes(name)) {
        this.refuse(
          `${key}.${describeName(name)}`,
          member,
          `is unknown; there are ${names.join(', ')}`,
        )
      }
    }
    return members
  }

  /**
   * The members of an object, by names that are not known before.
   *
   * @throws {PolicyError} `invalid-rule`
   */
  entries(key: string, value: unknown): ReadonlyMap<string, unknown> {
    if (typeof value !== 'object' || value === null || Array.isArray(value)) {
      return this.refuse(key, value, 'must be an object')
    }
    return new Map(Object.entries(value))
  }

  /**
   * A list, each entry of which `readOne` reads at a key of its own.
   *
   * @throws {PolicyError} `invalid-rule`
   */
  list<T>(key: string, value: unknown, readOne: (key: string, entry: unknown) => T): readonly T[] {
    if (!Array.isArray(value)) return this.refuse(key, value, 'must be a list')
    return value.map((entry, index) => readOne(`${key}[${index}]`, entry))
  }

  /** @throws {PolicyError} `invalid-rule`, naming route, key and the type of the value, which may be a secret */
  refuse(key: string, value: unknown, why: string): never {
    return this.fail(key, `${why} (found: ${describeValue(value)})`)
  }

  /** @throws {PolicyError} `invalid-rule`, naming route and key */
  fail(key: string, why: string): never {
    throw new PolicyError('invalid-rule', `${this.#label}: ${key}: ${why}`)
  }
}
