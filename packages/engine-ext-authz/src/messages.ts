import { randomUUID } from 'node:crypto'
import { templateOf, invalidAnswer, ownProperty } from '@fastify-spiffe/policy/engine-kit'
import type { EngineRequest } from '@fastify-spiffe/policy'

/** Attributes with a field of their own. So have `headers.…`; an attribute that is not a string is the caller's identity. */
const BUILT_IN = new Set(['method', 'route', 'host'])

/** The `CheckRequest` of a request. Its path is the pattern of the route, because the URL is not part of the cache key. */
export function requestOf({ spiffeId, tenant, method, route, attributes }: EngineRequest): object {
  const headers: [string, string][] = []
  const extensions: [string, string][] = [['route', route]]
  if (tenant !== null) {
    extensions.push(['tenant', tenant.name], ['tenant.trust_domain', tenant.trustDomain.toString()])
  }
  for (const [name, value] of Object.entries(attributes)) {
    if (BUILT_IN.has(name) || typeof value !== 'string') continue
    if (name.startsWith('headers.')) headers.push([name.slice('headers.'.length), value])
    else extensions.push([name, value])
  }
  const host = ownProperty(attributes, 'host')
  const http = {
    id: randomUUID(),
    method,
    path: templateOf(route),
    headers: Object.fromEntries(headers),
    ...(typeof host === 'string' && { host }),
  }
  return {
    attributes: {
      source: { principal: spiffeId.toString() },
      request: { http },
      context_extensions: Object.fromEntries(extensions),
    },
  }
}

/**
 * What a `CheckResponse` decides. A message of no bytes decodes as one whose status is OK, and an answer may contradict
 * itself: only one that says OK by its status or by `ok_response`, and nothing that contradicts it, allows.
 *
 * @throws {PolicyError} `invalid-answer`
 */
export function decisionOf(engine: string, response: object): boolean {
  const has = (field: string): boolean => ownProperty(response, field) !== undefined
  if (has('error_response')) throw invalidAnswer(engine, 'an error of its own', response)
  const [ok, denied] = [has('ok_response'), has('denied_response')]
  const status = has('status') ? (ownProperty(ownProperty(response, 'status'), 'code') ?? 0) : null
  const allows = ok || status === 0
  const refuses = denied || (status !== null && status !== 0)
  if (allows !== refuses) return allows
  throw invalidAnswer(engine, allows ? 'a contradiction' : 'no decision', response)
}
