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

export function principalOf(question: EngineRequest, roles: readonly string[]): CerbosPrincipal {
  const { caller } = engineInputOf(question)
  return { id: question.spiffeId.toString(), roles, attr: caller }
}

/** The resource of a route: its parameters and everything that was declared of the request are its attributes. */
export function resourceOf(question: EngineRequest): CerbosResource {
  const { resource, context } = engineInputOf(question)
  return { kind: 'route', id: templateOf(question.route), attr: { ...context, ...resource } }
}
