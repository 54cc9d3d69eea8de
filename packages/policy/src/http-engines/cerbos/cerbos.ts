import { randomUUID } from 'node:crypto'
import { asFunction, readOption } from '../../option-readers.ts'
import type { Engine, EngineRequest } from '../../engines/engine.ts'
import { invalidAnswer, ownProperty } from '../../engine-kit/answer.ts'
import {
  ENDPOINT_KEYS,
  readEndpoint,
  type EndpointOptions,
} from '../../engine-kit/endpoint-options.ts'
import { jsonEngine } from '../../engine-kit/json-engine.ts'
import { checkEngineKeys, type EngineSettings } from '../../engine-kit/settings.ts'
import { principalOf, resourceOf, type CerbosResource } from './check.ts'

/** Options of `cerbos`. */
export interface CerbosOptions extends EngineSettings, EndpointOptions {
  /** The roles of the caller, at least one: the same for all, or by request. Default `['workload']`. */
  readonly roles?: readonly string[] | ((request: EngineRequest) => readonly string[])
  /**
   * Maps the route to the terms of the policies. It may use nothing but the request: the decision is cached under it.
   * Default: kind `route`, the route's pattern as `id`, declared attributes as `attr`.
   */
  readonly resource?: (request: EngineRequest) => CerbosResource
  /** The action. Default: the method, such as `GET`. */
  readonly action?: (request: EngineRequest) => string
}

/** What one answer has to be about. */
interface Asked {
  readonly requestId: string
  readonly resource: CerbosResource
  readonly action: string
}

const ENGINE = 'cerbos'
const PATH = '/api/check/resources'

/**
 * Asks Cerbos by its HTTP API. `EFFECT_ALLOW` for exactly the question allows; `EFFECT_DENY`
 * refuses, and anything else is a failure.
 *
 * Default `name` `cerbos`, default `timeoutMs` 50 for a server on this machine, else 200.
 *
 * @throws {PolicyError} `unknown-option`, `invalid-option`
 */
export function cerbos(options: CerbosOptions): Engine {
  checkEngineKeys(ENGINE, options, [...ENDPOINT_KEYS, 'roles', 'resource', 'action'])
  const [endpoint, { roles, resource, action, ...settings }] = readEndpoint(ENGINE, options)
  const toRoles = readRoles(roles)
  const toResource = asFunction(`${ENGINE}.resource`, resource, resourceOf)
  const toAction = asFunction(`${ENGINE}.action`, action, ({ method }) => method)
  return jsonEngine(ENGINE, endpoint, settings, async (service, request, context) => {
    const asked = {
      requestId: randomUUID(),
      resource: toResource(request),
      action: toAction(request),
    }
    const payload = {
      requestId: asked.requestId,
      principal: principalOf(request, toRoles(request)),
      resources: [{ actions: [asked.action], resource: asked.resource }],
    }
    const { body } = await service.post(PATH, payload, context)
    return effectOf(service.engine, body, asked)
  })
}

function readRoles(roles: CerbosOptions['roles']): (request: EngineRequest) => readonly string[] {
  if (typeof roles === 'function') return roles
  const list = readOption(
    `${ENGINE}.roles`,
    roles,
    ['workload'],
    isRoles,
    'must be roles, or a function',
  )
  return () => list
}

function effectOf(engine: string, body: unknown, asked: Asked): boolean {
  if (ownProperty(body, 'requestId') !== asked.requestId) {
    throw invalidAnswer(engine, 'the result of another request', body)
  }
  const results = ownProperty(body, 'results')
  const [result, ...others]: unknown[] = Array.isArray(results) ? results : []
  const resource = ownProperty(result, 'resource')
  const isTheResource = (['kind', 'id'] as const).every(
    (key) => ownProperty(resource, key) === asked.resource[key],
  )
  if (others.length > 0 || !isTheResource) {
    throw invalidAnswer(engine, 'not one result about the resource', results)
  }
  const effect = ownProperty(ownProperty(result, 'actions'), asked.action)
  if (effect === 'EFFECT_ALLOW') return true
  if (effect === 'EFFECT_DENY') return false
  throw invalidAnswer(engine, 'no effect', effect)
}

function isRoles(value: readonly unknown[]): boolean {
  return Array.isArray(value) && value.length > 0 && value.every((it) => typeof it === 'string')
}
