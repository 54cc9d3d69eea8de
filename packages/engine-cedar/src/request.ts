import type * as Cedar from '@cedar-policy/cedar-wasm/nodejs'
import type { EngineRequest } from '@fastify-spiffe/policy'
import { engineInputOf } from '@fastify-spiffe/policy/engine-kit'
import { cedarRecord, cedarText } from './plain-data.ts'

/** An entity's type and name: `{ type: 'Workload', id: 'spiffe://example.org/acme/web' }`. */
export interface CedarUid {
  readonly type: string
  readonly id: string
}

/**
 * Text, boolean, whole number, or list or record of such, as in Cedar's JSON format: `{ __entity: … }` is an entity and
 * `{ __extn: … }` an address or a decimal. What is `undefined` is absent.
 */
export type CedarValue =
  | string
  | number
  | boolean
  | undefined
  | readonly CedarValue[]
  | { readonly [name: string]: CedarValue }

/** An entity of Cedar, such as a group, with its attributes and its parents. */
export interface CedarEntity {
  readonly uid: CedarUid
  readonly attrs: Readonly<Record<string, CedarValue>>
  /** The entities that it is `in`. */
  readonly parents: readonly CedarUid[]
  readonly tags?: Readonly<Record<string, CedarValue>>
}

/** The request that Cedar evaluates. */
export interface CedarRequest {
  /** Default: `Workload::"<SPIFFE ID>"`. */
  readonly principal: CedarUid
  /** Default: `Action::"<method> <route>"`, such as `Action::"GET /orders/:id"`. */
  readonly action: CedarUid
  /** Default: `Route::"<route>"`, such as `Route::"/orders/:id"`. */
  readonly resource: CedarUid
  /** Default: the declared attributes that are not about the caller, such as `params`, `headers` and `ip`. */
  readonly context: Readonly<Record<string, CedarValue>>
}

export interface CedarMapping {
  readonly request?: (request: EngineRequest) => Partial<CedarRequest>
  readonly entities?: (request: EngineRequest) => readonly CedarEntity[]
}

/** A request with the entities that it is about, as Cedar takes it. */
export interface CedarQuery {
  readonly principal: CedarUid
  readonly action: CedarUid
  readonly resource: CedarUid
  readonly context: Cedar.Context
  readonly entities: Cedar.Entities
}

/**
 * Maps a request to the terms of Cedar.
 *
 * @throws {Unreadable}
 */
export function cedarQueryOf(request: EngineRequest, mapping: CedarMapping): CedarQuery {
  const { spiffeId, method, route } = request
  const input = engineInputOf(request)
  const {
    principal = { type: 'Workload', id: spiffeId.toString() },
    action = { type: 'Action', id: `${method} ${route}` },
    resource = { type: 'Route', id: route },
    context = { ...input.context, ...input.resource },
  } = mapping.request?.(request) ?? {}
  const given = mapping.entities?.(request) ?? []
  const entities = given.map((it) => cedarEntity(it))
  const isGiven = given.some(({ uid }) => uid.type === principal.type && uid.id === principal.id)
  if (!isGiven) entities.unshift(cedarEntity({ uid: principal, attrs: input.caller, parents: [] }))
  return {
    principal: cedarUid(principal),
    action: cedarUid(action),
    resource: cedarUid(resource),
    context: cedarRecord(context),
    entities,
  }
}

function cedarEntity({ uid, attrs, parents, tags }: EntityParts): Cedar.EntityJson {
  return {
    uid: cedarUid(uid),
    attrs: cedarRecord(attrs),
    parents: parents.map((it) => cedarUid(it)),
    ...(tags !== undefined && { tags: cedarRecord(tags) }),
  }
}

type EntityParts = Pick<CedarEntity, 'uid' | 'parents'> & {
  readonly attrs: Readonly<Record<string, unknown>>
  readonly tags?: Readonly<Record<string, unknown>>
}

function cedarUid({ type, id }: CedarUid): Cedar.TypeAndId {
  return { type: cedarText(type), id: cedarText(id) }
}
