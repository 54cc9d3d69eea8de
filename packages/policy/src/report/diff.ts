import { isDeepStrictEqual } from 'node:util'
import type { RouteRow, RouteTable } from './route-table.ts'

/** What one table says otherwise than another, for reviews. */
export interface TableDiff {
  readonly added: readonly RouteRow[]
  readonly removed: readonly RouteRow[]
  readonly changed: readonly RowChange[]
}

/** One method of a route whose rule is not the same. */
export interface RowChange {
  readonly method: string
  readonly route: string
  /** What differs: where the rule is does not count. */
  readonly fields: readonly FieldChange[]
}

/** One column of a row. */
export interface FieldChange {
  readonly field: keyof RouteRow
  readonly before: unknown
  readonly after: unknown
}

type Rows = ReadonlyMap<string, RouteRow>

const FIELDS = [
  'allow',
  'deny',
  'onBehalfOf',
  'via',
  'evidence',
  'proof',
  'subjectAltName',
  'tenant',
  'where',
  'engines',
  'mode',
] as const

/** Compares two route tables. */
export function diffTables(before: RouteTable, after: RouteTable): TableDiff {
  const old = byKey(before)
  const fresh = byKey(after)
  const changed: RowChange[] = []
  for (const [key, row] of fresh) {
    const former = old.get(key)
    const fields = former === undefined ? [] : changesOf(former, row)
    if (fields.length > 0) changed.push({ method: row.method, route: row.route, fields })
  }
  return {
    added: missingFrom(old, fresh),
    removed: missingFrom(fresh, old),
    changed,
  }
}

function changesOf(before: RouteRow, after: RouteRow): readonly FieldChange[] {
  return FIELDS.filter((field) => !isDeepStrictEqual(before[field], after[field])).map((field) => ({
    field,
    before: before[field],
    after: after[field],
  }))
}

/**
 * Routes that only a constraint separates have the same method and pattern: their order
 * distinguishes them.
 */
function byKey({ routes }: RouteTable): Rows {
  const counts = new Map<string, number>()
  return new Map(
    routes.map((row) => {
      const key = `${row.method} ${row.route}`
      const count = counts.get(key) ?? 0
      counts.set(key, count + 1)
      return [`${key} ${count}`, row]
    }),
  )
}

function missingFrom(rows: Rows, others: Rows): readonly RouteRow[] {
  return [...others].filter(([key]) => !rows.has(key)).map(([, row]) => row)
}
