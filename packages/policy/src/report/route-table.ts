import type { CallerProof } from '../call.ts'
import type { AltNameRule } from '../principals/alt-names.ts'
import type { CompiledRule } from '../rules/compile.ts'
import type { RuleTable, RuledRoute } from '../rules/rule-table.ts'
import type { RuleMode } from '../document/route-rule.ts'
import type { Requirement } from '../rules/requirement.ts'

/** Who may call what: one row for each method of each route, sorted. Plain data, for reviews and for comparing. */
export interface RouteTable {
  readonly policyVersion: string
  readonly routes: readonly RouteRow[]
}

/** What is demanded of the callers of one method of a route. */
export interface RouteRow {
  readonly method: string
  /** The URL pattern. */
  readonly route: string
  /** The callers that the rule names, or `anyAuthenticated`, or `public`. */
  readonly allow: readonly string[]
  readonly deny: readonly string[]
  /** On whose behalf those callers may call, or `itself`; absent where the rule does not say. */
  readonly onBehalfOf?: readonly string[]
  /** Who may stand between the two; absent where the rule does not say on whose behalf. */
  readonly via?: readonly string[]
  /** How good the proof of the origin must be; absent where the rule does not say on whose behalf. */
  readonly evidence?: 'signed' | 'forwarded'
  /** How the caller must be proven; absent where the rule does not say. */
  readonly proof?: readonly CallerProof[]
  /** Names that the certificate of the caller must have; absent where the rule demands none. */
  readonly subjectAltName?: readonly AltNameRule[]
  /** Where the request names the tenant that the caller has to be of; `null`: the rule does not compare. */
  readonly tenant: string | null
  readonly where: readonly ConditionRow[]
  readonly engines: readonly EngineRow[]
  readonly mode: RuleMode
  /** Where the rule is. */
  readonly source: string
}

/** A condition of a route. */
export interface ConditionRow {
  /** What it reads; of a comparison, what it says, as JSON. */
  readonly reads: readonly string[]
  /** How old a cached decision may be, as in {@link EngineRow}. */
  readonly maxAgeMs: number | null
}

/** How a route uses an engine. */
export interface EngineRow {
  readonly engine: string
  readonly reads: readonly string[]
  /** How old a cached decision may be, in milliseconds; 0: none is cached; `null`: the TTL of the cache. */
  readonly maxAgeMs: number | null
}

/** Writes down the rules in force. */
export function routeTable(routes: RuleTable): RouteTable {
  const { active } = routes
  const rows = Array.from(routes.list(active)).flatMap(rowOf).toSorted(byRoute)
  return { policyVersion: active.version, routes: rows }
}

function rowOf({ method, url, rule }: RuledRoute): readonly RouteRow[] {
  if (rule === null) return []
  const { description, requirements, mode, tenant } = rule
  return [
    {
      method,
      route: url,
      allow: granted(description.grant),
      deny: description.denied?.entries.map(String) ?? [],
      ...behalfColumns(description.behalf),
      ...(description.proof !== null && { proof: description.proof.accepted }),
      ...(description.altNames !== null && { subjectAltName: description.altNames.demands }),
      tenant: tenant?.source.name ?? null,
      where: requirements.flatMap(conditionRow),
      engines: requirements.flatMap(engineRow),
      mode,
      source: description.place.toString(),
    },
  ]
}

function granted(grant: CompiledRule['description']['grant']): readonly string[] {
  return typeof grant === 'string' ? [grant] : grant.entries.map(String)
}

function behalfColumns(
  behalf: CompiledRule['description']['behalf'],
): Pick<RouteRow, 'onBehalfOf' | 'via' | 'evidence'> {
  if (behalf === null) return {}
  const { origins, via, evidence } = behalf
  const onBehalfOf = origins === 'itself' ? [origins] : origins.entries.map(String)
  return { onBehalfOf, via: via.entries.map(String), evidence }
}

function conditionRow(requirement: Requirement): readonly ConditionRow[] {
  if (requirement.engine !== null || requirement.key !== undefined) return []
  const reads = requirement.text === null ? readsOf(requirement) : [requirement.text]
  return [{ reads, maxAgeMs: maxAgeOf(requirement) }]
}

function engineRow(requirement: Requirement): readonly EngineRow[] {
  if (requirement.engine === null) return []
  return [
    {
      engine: requirement.engine,
      reads: readsOf(requirement),
      maxAgeMs: maxAgeOf(requirement),
    },
  ]
}

/** As JSON can write it. */
function maxAgeOf({ maxAgeMs }: Requirement): number | null {
  return maxAgeMs === Infinity ? null : maxAgeMs
}

function readsOf({ sources }: Requirement): readonly string[] {
  return sources.map(({ name }) => name)
}

function byRoute(a: RouteRow, b: RouteRow): number {
  return compare(a.route, b.route) || compare(a.method, b.method)
}

/** By code units, so that the order is the same everywhere. */
function compare(a: string, b: string): number {
  if (a === b) return 0
  return a < b ? -1 : 1
}
