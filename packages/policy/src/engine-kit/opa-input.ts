import type { EngineRequest } from '../engines/engine.ts'
import { engineInputOf } from './engine-input.ts'

/** The document `input` that policies see by default. */
export interface OpaInput {
  /** `id` is the SPIFFE ID; beside it `trust_domain`, `tenant`, and declared attributes of the caller. */
  readonly caller: Readonly<Record<string, unknown>>
  readonly method: string
  /** The URL pattern of the route, as Fastify has it: `/orders/:id`. */
  readonly route: string
  /** Declared parameters of the route, if there are any. */
  readonly params?: Readonly<Record<string, unknown>>
  /** All other declared attributes. */
  readonly context: Readonly<Record<string, unknown>>
}

/** The `input` of a Rego rule for a request, unless the option `input` makes another one. */
export function inputOf(request: EngineRequest): OpaInput {
  const { spiffeId, method, route } = request
  const { caller, resource, context } = engineInputOf(request)
  return {
    caller: { id: spiffeId.toString(), ...caller },
    method,
    route,
    ...resource,
    context,
  }
}
