import { templateOf } from '../../uri-template.ts'
import type { EngineRequest } from '../../engines/engine.ts'
import { engineInputOf } from '../../engine-kit/engine-input.ts'

type Properties = Readonly<Record<string, unknown>>

/** What an AuthZEN decision point is asked. Authorization API 1.0, information model. */
export interface AuthzenEvaluation {
  readonly subject: { readonly type: string; readonly id: string; readonly properties?: Properties }
  readonly action: { readonly name: string; readonly properties?: Properties }
  readonly resource: {
    readonly type: string
    readonly id: string
    readonly properties?: Properties
  }
  readonly context?: Properties
}

/** The evaluation of a request: may this SPIFFE ID use this method of this route? */
export function evaluationOf(request: EngineRequest): AuthzenEvaluation {
  const { caller, resource, context } = engineInputOf(request)
  return {
    subject: { type: 'spiffe', id: request.spiffeId.toString(), properties: caller },
    action: { name: request.method },
    resource: { type: 'route', id: templateOf(request.route), properties: resource },
    context,
  }
}
