import { templateOf } from '../../uri-template.ts'
import type { EngineRequest } from '../../engines/engine.ts'
import { engineInputOf } from '../../engine-kit/engine-input.ts'

type Attributes = Readonly<Record<string, unknown>>

/** Who asks, in Cerbos' terms: `P` of its conditions. */
export interface CerbosPrincipal {
  readonly id: string
  /** At least one. */
  readonly roles: readonly string[]
  readonly attr?: Attributes
  readonly scope?: string
  readonly policyVersion?: string
}

/** What is asked for, in Cerbos' terms: `R` of its conditions. */
export interface CerbosResource {
  readonly kind: string
  readonly id: string
  readonly attr?: Attributes
  readonly scope?: string
  readonly policyVersion?: string
}

export function principalOf(request: EngineRequest, roles: readonly string[]): CerbosPrincipal {
  const { caller } = engineInputOf(request)
  return { id: request.spiffeId.toString(), roles, attr: caller }
}

/** The resource of a route: its parameters and everything that was declared of the request are its attributes. */
export function resourceOf(request: EngineRequest): CerbosResource {
  const { resource, context } = engineInputOf(request)
  return { kind: 'route', id: templateOf(request.route), attr: { ...context, ...resource } }
}
