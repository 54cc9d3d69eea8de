import type { ServiceDefinition } from '@grpc/grpc-js'
import type { RouteRule } from '@fastify-spiffe/policy'
import type {
  CompiledRule,
  RuleFinder,
  RuleSet,
  RuleTable,
  ScopeRule,
} from '@fastify-spiffe/policy/internal'
import type { GrpcCall } from '../call/grpc-call.ts'
import { METHOD } from '../call/reader.ts'
import { GrpcError } from '../errors.ts'

/** Who may call the methods of a service. */
export interface ServiceRules {
  /**
   * The rule of the methods that have none of their own: a rule, or the name of one in the policy document. Default: that of
   * the document for a prefix, such as `/orders.v1.Orders`.
   */
  readonly rule?: RouteRule | string
  /** Rules of single methods, by their names as the definition of the service has them. Default: none. */
  readonly methods?: Readonly<Record<string, RouteRule | string>>
}

/** Binds the methods of services to the table of rules, by their paths. */
export class Methods implements RuleFinder<GrpcCall> {
  readonly #table: RuleTable
  readonly #indexes = new Map<string, number>()
  readonly #uncovered = new Set<string>()

  constructor(table: RuleTable) {
    this.#table = table
  }

  /** The paths of the methods that have no rule. */
  get uncovered(): readonly string[] {
    return [...this.#uncovered]
  }

  /**
   * Adds all methods of a service, and compiles their rules.
   *
   * @returns their numbers in the table
   * @throws {GrpcError} `unknown-method`, `invalid-service`
   * @throws {PolicyError} `invalid-rule`
   */
  add(service: ServiceDefinition, { rule, methods = {} }: ServiceRules): readonly number[] {
    assertMethods(service, methods)
    const paths = Object.entries(service).map(([name, { path }]) => [name, path] as const)
    for (const [, path] of paths) this.#reserve(path)
    return paths.map(([name, path]) => {
      const own = Object.hasOwn(methods, name) ? methods[name] : undefined
      return this.#add(path, own, `methods.${name}`, rule)
    })
  }

  /** The rule of a call; `null`: there is none. */
  ruleOf({ path }: GrpcCall, rules: RuleSet): CompiledRule | null {
    const index = this.#indexes.get(path)
    return index === undefined ? null : this.#table.ruleAt(index, METHOD, rules)
  }

  // Until its rule is compiled a method has none, also when that fails and the application goes on.
  #reserve(path: string): void {
    if (this.#indexes.has(path) || this.#uncovered.has(path)) {
      throw new GrpcError('invalid-service', `the method ${path} has been added already`)
    }
    this.#uncovered.add(path)
  }

  #add(path: string, own: unknown, ownAt: string, rule: unknown): number {
    const scope = rule === undefined ? null : scopeOf(path, rule)
    const pattern = { isBelow: isBelow(path), canMatchBelow: isBelow(path) }
    const entry = this.#table.add({ methods: [METHOD], url: path, pattern, own, ownAt, scope })
    this.#indexes.set(path, entry.index)
    if (entry.hasRule) this.#uncovered.delete(path)
    return entry.index
  }
}

function scopeOf(path: string, rule: unknown): ScopeRule {
  return { prefix: path.slice(0, path.lastIndexOf('/')), ruleAt: 'rule', rule, outer: null }
}

/** Whether a path is below a prefix of a policy document, by whole segments. */
function isBelow(path: string): (prefix: string) => boolean {
  return (prefix) => prefix === '/' || path === prefix || path.startsWith(`${prefix}/`)
}

function assertMethods(service: ServiceDefinition, methods: object): void {
  for (const name of Object.keys(methods)) {
    if (Object.hasOwn(service, name)) continue
    const known = Object.keys(service).join(', ')
    throw new GrpcError('unknown-method', `the service has no such method; it has ${known}`)
  }
}
