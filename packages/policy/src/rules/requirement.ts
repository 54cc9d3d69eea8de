import type { SpiffeId } from '@fastify-spiffe/spiffe'
import type { AttributeValue } from '../attributes/attributes.ts'
import type { AttributeProvider } from '../attributes/provider.ts'
import type { AttributeSource, ReadAttribute } from '../attributes/sources.ts'
import type { Call, Caller } from '../call.ts'
import type { Decision } from '../decision/decision.ts'

/** What must hold as well once the rule has let the caller in: a condition of the route, or an engine. */
export interface Requirement {
  /** The engine's name; `null` for a condition. */
  readonly engine: string | null
  /** The key of the rule under which it stands, where that is neither `where` nor `engines`. */
  readonly key?: 'proof' | 'subjectAltName'
  /** A demand for people; a comparison as JSON; `null` for a condition in code. */
  readonly text: string | null
  /** What it reads of the call. */
  readonly sources: readonly AttributeSource[]
  /** The providers that have to be asked before that can be read. */
  readonly providers: readonly AttributeProvider[]
  /** How old a cached decision may be, in milliseconds; 0: none is cached. */
  readonly maxAgeMs: number
  /** Decides a call, through everything that stands before the check or the engine: cache, quota, guard. */
  readonly decide: (call: Call, caller: Caller) => Decision | Promise<Decision>
  /** Asks the check or the guarded engine anew, past cache and quota, about the attributes that `read` finds. */
  readonly ask: (call: Call, caller: Caller, read: ReadAttribute) => Decision | Promise<Decision>
}

/** One question to a check or an engine. */
export interface RequirementQuery {
  /** The key of the tenant that the call is about. */
  readonly tenant: string
  /** Whose tenant that is. */
  readonly subject: SpiffeId
  readonly caller: Caller
  /** Of the sources, in their order. */
  readonly values: readonly AttributeValue[]
}

/** Asks a check or an engine. */
export type Ask = (query: RequirementQuery) => Decision | Promise<Decision>
