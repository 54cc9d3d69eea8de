import { asFunction, refuse } from '../../option-readers.ts'
import type { Engine, EngineRequest } from '../../engines/engine.ts'
import { invalidAnswer, ownProperty } from '../../engine-kit/answer.ts'
import {
  ENDPOINT_KEYS,
  readEndpoint,
  type EndpointOptions,
} from '../../engine-kit/endpoint-options.ts'
import { jsonEngine } from '../../engine-kit/json-engine.ts'
import { checkEngineKeys, type EngineSettings } from '../../engine-kit/settings.ts'
import { inputOf } from '../../engine-kit/opa-input.ts'

/** Options of `opa`. */
export interface OpaOptions extends EngineSettings, EndpointOptions {
  /** The rule that decides, as a path: `httpapi/authz/allow` is the rule `allow` of `package httpapi.authz`. */
  readonly path: string
  /**
   * Makes the document `input` of a request. It may use nothing but the request: the decision is cached under it.
   * Default: {@link OpaInput}.
   */
  readonly input?: (request: EngineRequest) => unknown
}

const ENGINE = 'opa'

/**
 * Asks an OPA server for a rule by its REST API. Lets in by the result `true`; `false` refuses, and so does a rule that is
 * undefined for the input; anything else is a failure.
 *
 * Default `name` `opa`, default `timeoutMs` 50 for a server on this machine, else 200.
 *
 * @throws {PolicyError} `unknown-option`, `invalid-option`
 */
export function opa(options: OpaOptions): Engine {
  checkEngineKeys(ENGINE, options, [...ENDPOINT_KEYS, 'path', 'input'])
  const [endpoint, { path, input, ...settings }] = readEndpoint(ENGINE, options)
  const document = `/v1/data/${readPath(path)}`
  const toInput = asFunction(`${ENGINE}.input`, input, inputOf)
  return jsonEngine(ENGINE, endpoint, settings, async (service, request, context) => {
    const { body } = await service.post(document, { input: toInput(request) }, context)
    return resultOf(service.engine, body)
  })
}

function readPath(path: unknown): string {
  const segments = typeof path === 'string' ? path.split('/') : []
  const isPath = segments.length > 0 && segments.every((it) => !['', '.', '..'].includes(it))
  if (!isPath) refuse(`${ENGINE}.path`, path, 'must be the path of a rule, such as authz/allow')
  return segments.map((it) => encodeURIComponent(it)).join('/')
}

function resultOf(engine: string, body: unknown): boolean {
  if (typeof body !== 'object' || body === null || Array.isArray(body)) {
    throw invalidAnswer(engine, 'no document', body)
  }
  // REST API, Get a Document with Input: without `result`, the document is undefined.
  if (!Object.hasOwn(body, 'result')) return false
  const result = ownProperty(body, 'result')
  if (typeof result === 'boolean') return result
  throw invalidAnswer(engine, 'no boolean', result)
}
