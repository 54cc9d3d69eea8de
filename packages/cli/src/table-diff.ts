import { readFile } from 'node:fs/promises'
import {
  diffTables,
  type FieldChange,
  type RouteRow,
  type RouteTable,
  type TableDiff,
} from '@fastify-spiffe/authz'
import type { TableDiffCommand } from './command.ts'
import type { CommandContext } from './context.ts'
import { UsageError } from './usage.ts'

/** Compares two tables. Resolves with whether they say the same. */
export async function tableDiff(
  { before, after, isJson }: TableDiffCommand,
  { stdout }: CommandContext,
): Promise<boolean> {
  const diff = diffTables(await read(before), await read(after))
  stdout.write(isJson ? `${JSON.stringify(diff, null, 2)}\n` : inWords(diff))
  return diff.added.length + diff.removed.length + diff.changed.length === 0
}

/** What cannot be compared must not pass for a difference: as with `diff`, that is trouble. */
async function read(path: string): Promise<RouteTable> {
  let table: unknown
  try {
    table = JSON.parse(await readFile(path, 'utf8'))
  } catch (cause) {
    throw new UsageError(`${path}: ${cause instanceof Error ? cause.message : ''}`, { cause })
  }
  if (isTable(table)) return table
  throw new UsageError(`${path} is not a table as 'table --json' prints it`)
}

function isTable(value: unknown): value is RouteTable {
  return (
    typeof value === 'object' &&
    value !== null &&
    'routes' in value &&
    Array.isArray(value.routes) &&
    value.routes.every(isRow)
  )
}

function isRow(value: unknown): value is RouteRow {
  return (
    typeof value === 'object' &&
    value !== null &&
    ['method', 'route', 'mode'].every((key) => typeof Reflect.get(value, key) === 'string') &&
    ['allow', 'deny', 'where', 'engines'].every((key) => Array.isArray(Reflect.get(value, key)))
  )
}

function inWords({ added, removed, changed }: TableDiff): string {
  const lines = [
    ...added.flatMap((row) => [`+ ${row.method} ${row.route}`, ...fieldsOf(row)]),
    ...removed.map(({ method, route }) => `- ${method} ${route}`),
    ...changed.flatMap(({ method, route, fields }) => [
      `~ ${method} ${route}`,
      ...fields.map(inLine),
    ]),
  ]
  return lines.map((line) => `${line}\n`).join('')
}

function fieldsOf({ allow, deny, tenant, where, engines, mode }: RouteRow): readonly string[] {
  return Object.entries({ allow, deny, tenant, where, engines, mode }).map(
    ([field, value]) => `    ${field}: ${JSON.stringify(value)}`,
  )
}

function inLine({ field, before, after }: FieldChange): string {
  return `    ${field}: ${JSON.stringify(before)} -> ${JSON.stringify(after)}`
}
