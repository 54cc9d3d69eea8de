import type { FastifyRequest, RouteOptions } from 'fastify'
import type { StepContext } from '../step/compile.ts'
import { type CompiledRule, compileRule } from './compile.ts'
import { Place } from './place.ts'

interface Attached {
  readonly [key: symbol]: CompiledRule | undefined
}

/** The compiled rules of one plugin. Each travels with its route, so that no URL is ever matched a second time. */
export class RouteRules {
  readonly #key: symbol = Symbol('spiffe.authz.rule')
  readonly #context: StepContext

  constructor(context: StepContext) {
    this.#context = context
  }

  /**
   * Compiles the rule of a route, if it has one, and attaches it to the route.
   *
   * @throws {AuthzError} `invalid-rule`
   */
  attach(route: RouteOptions): boolean {
    const { config } = route
    if (config?.spiffe === undefined) return false
    const rule = this.compile(Place.ofRoute(route), config.spiffe)
    // A copy: routes may share one object of configuration, and an automatic HEAD route does.
    route.config = { ...config, [this.#key]: rule }
    return true
  }

  compile(place: Place, rule: unknown): CompiledRule {
    return compileRule(place, rule, this.#context)
  }

  /** The rule that the route of a request carries. */
  of(request: FastifyRequest): CompiledRule | undefined {
    const config: object = request.routeOptions.config
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- only `attach` knows the symbol
    return (config as Attached)[this.#key]
  }
}
