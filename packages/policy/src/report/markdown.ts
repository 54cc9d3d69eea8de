import type { AltNameRule } from '../principals/alt-names.ts'
import type { RouteRow, RouteTable } from './route-table.ts'

interface Column {
  readonly header: string
  readonly cell: (row: RouteRow) => string
  /** Whether the column is there only if a cell of it has something. */
  readonly isOptional?: true
}

const COLUMNS: readonly Column[] = [
  { header: 'method', cell: ({ method }) => method },
  { header: 'route', cell: ({ route }) => code(route) },
  { header: 'who may', cell: ({ allow }) => lines(allow) },
  { header: 'who may not', cell: ({ deny }) => lines(deny) },
  { header: 'on behalf of', cell: behalfCell, isOptional: true },
  { header: 'proven by', cell: ({ proof = [] }) => lines(proof), isOptional: true },
  { header: 'names of the certificate', cell: altNamesCell, isOptional: true },
  { header: 'of tenant', cell: ({ tenant }) => (tenant === null ? '' : code(tenant)) },
  { header: 'where', cell: whereCell },
  { header: 'engines', cell: enginesCell },
  { header: 'mode', cell: ({ mode }) => mode },
]

/** A route table as a Markdown table. What no route demands, on whose behalf, proofs and names of certificates, has no column. */
export function toMarkdown({ routes }: RouteTable): string {
  const columns = COLUMNS.filter(
    ({ cell, isOptional }) => isOptional !== true || routes.some((row) => cell(row) !== ''),
  )
  const rows = [
    columns.map(({ header }) => header),
    columns.map(() => '---'),
    ...routes.map((row) => columns.map(({ cell }) => cell(row))),
  ]
  return `${rows.map((cells) => `| ${cells.join(' | ')} |`).join('\n')}\n`
}

function behalfCell({ onBehalfOf = [], via = [], evidence }: RouteRow): string {
  if (onBehalfOf.length === 0) return ''
  const between = via.length === 0 ? [] : [`via ${via.map(code).join(', ')}`]
  const proof = evidence === 'forwarded' ? ['as proxies say'] : []
  return [...onBehalfOf.map(code), ...between, ...proof].join('<br>')
}

function altNamesCell({ subjectAltName = [] }: RouteRow): string {
  return subjectAltName.flatMap(demandLines).join('<br>')
}

function demandLines(demand: AltNameRule): readonly string[] {
  return Object.entries(demand).map(
    ([kind, names]: [string, readonly string[]]) => `${kind} ${names.map(code).join(' or ')}`,
  )
}

function whereCell({ where }: RouteRow): string {
  return where
    .map(({ reads, maxAgeMs }) => `by ${reads.map(code).join(', ') || 'itself'} (${age(maxAgeMs)})`)
    .join('<br>')
}

function enginesCell({ engines }: RouteRow): string {
  return engines.map(({ engine, maxAgeMs }) => `${code(engine)} (${age(maxAgeMs)})`).join('<br>')
}

function lines(callers: readonly string[]): string {
  return callers.map(code).join('<br>')
}

function age(maxAgeMs: number | null): string {
  if (maxAgeMs === 0) return 'asked each time'
  return maxAgeMs === null ? 'cached' : `${maxAgeMs} ms`
}

/** A pipe would end the cell, even within code. */
function code(text: string): string {
  return `\`${text.replaceAll('|', '\\|')}\``
}
