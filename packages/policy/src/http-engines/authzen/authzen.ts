import { randomUUID } from 'node:crypto'
import type { Engine, EngineRequest } from '../../engines/engine.ts'
import { invalidAnswer, ownProperty } from '../../engine-kit/answer.ts'
import {
  ENDPOINT_KEYS,
  readEndpoint,
  type EndpointOptions,
} from '../../engine-kit/endpoint-options.ts'
import { jsonEngine } from '../../engine-kit/json-engine.ts'
import { asFunction } from '../../option-readers.ts'
import { checkEngineKeys, type EngineSettings } from '../../engine-kit/settings.ts'
import { evaluationOf, type AuthzenEvaluation } from './evaluation.ts'

/** Options of `authzen`. */
export interface AuthzenOptions extends EngineSettings, EndpointOptions {
  /**
   * Maps a request to the terms of the decision point's policies. It may use nothing but the request: the decision is cached
   * under it. Default: subject `spiffe`, action the method, resource `route`.
   */
  readonly evaluation?: (request: EngineRequest) => AuthzenEvaluation
}

const ENGINE = 'authzen'
// Authorization API 1.0, Access Evaluation API, over HTTPS
const PATH = '/access/v1/evaluation'
const REQUEST_ID = 'x-request-id'

/**
 * Asks a decision point that speaks AuthZEN, the OpenID Authorization API 1.0. Lets in by `"decision": true` in an answer
 * of status 200 and type `application/json`; `"decision": false` refuses, and anything else is a failure.
 *
 * Default `name` `authzen`, default `timeoutMs` 50 for a decision point on this machine, else 200.
 *
 * @throws {PolicyError} `unknown-option`, `invalid-option`
 */
export function authzen(options: AuthzenOptions): Engine {
  checkEngineKeys(ENGINE, options, [...ENDPOINT_KEYS, 'evaluation'])
  const [endpoint, { evaluation, ...settings }] = readEndpoint(ENGINE, options)
  const evaluate = asFunction(`${ENGINE}.evaluation`, evaluation, evaluationOf)
  return jsonEngine(ENGINE, endpoint, settings, async (service, request, context) => {
    const id = randomUUID()
    const answer = await service.post(PATH, evaluate(request), context, { [REQUEST_ID]: id })
    return decisionOf(service.engine, answer.body, id, answer.headers[REQUEST_ID] ?? id)
  })
}

function decisionOf(engine: string, body: unknown, id: string, echoed: unknown): boolean {
  // Authorization API 1.0, request identification: a response bears the identifier that was sent.
  if (echoed !== id) throw invalidAnswer(engine, 'the identifier of another request', echoed)
  const decision = ownProperty(body, 'decision')
  if (typeof decision === 'boolean') return decision
  throw invalidAnswer(engine, 'no decision', body)
}
