import { describeName } from '@fastify-spiffe/spiffe/internal'
import type { Callers, RouteRule } from './route-rule.ts'
import type { StatedCall } from './stated-call.ts'

/**
 * The rules of an application beside its code: plain data that a JSON file can hold. It can be replaced while the
 * application runs. A name in place of a rule refers to `policies`.
 */
export interface PolicyDocument {
  /** Names this state of the document; every decision carries it. Default: a digest of the document. */
  readonly version?: string
  /** Who has which role. Rules refer to them by `roles`. */
  readonly roles?: Readonly<Record<string, Callers>>
  /** Rules that several routes share, by name. */
  readonly policies?: Readonly<Record<string, RouteRule>>
  /** The rules of single routes, by method and pattern: `GET /orders/:id`. `HEAD` goes with `GET`. */
  readonly routes?: Readonly<Record<string, RouteRule | string>>
  /** The rules of all routes below a path that have no other: the longest prefix counts. */
  readonly prefixes?: Readonly<Record<string, RouteRule | string>>
  /** What must come out for this document to be taken. */
  readonly tests?: readonly PolicyTest[]
}

/** A route for people: its method and pattern, unless it has not the form of one and may be something else altogether. */
export function describeRoute(key: string): string {
  return /^[A-Z][A-Z-]{1,30} [/*][\x21-\x7e]{0,200}$/.test(key) ? key : describeName(key)
}

/**
 * One expectation of a document about itself. The attributes that follow from caller and route are known; one that no condition of the
 * route reads is an error.
 */
export interface PolicyTest extends StatedCall {
  /** Method and pattern: `GET /orders/:id`. Where several routes have these, it must come out for each of them. */
  readonly route: string
  /** The SPIFFE ID of the caller; `null` for one without. */
  readonly as: string | null
  /** Engines are not asked: `allow` says that nothing before them refuses. */
  readonly expect: 'allow' | 'deny'
}
