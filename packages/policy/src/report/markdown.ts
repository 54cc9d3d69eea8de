import type { RouteRow, RouteTable } from './route-table.ts'

const HEADERS = [
  'method',
  'route',
  'who may',
  'who may not',
  'of tenant',
  'where',
  'engines',
  'mode',
] as const

/** A route table as a Markdown table. */
export function toMarkdown({ routes }: RouteTable): string {
  const lines = [HEADERS, HEADERS.map(() => '---'), ...routes.map(cellsOf)]
  return `${lines.map((cells) => `| ${cells.join(' | ')} |`).join('\n')}\n`
}

function cellsOf({ method, route, allow, deny, tenant, where, engines, mode }: RouteRow): string[] {
  return [
    method,
    code(route),
    allow.map(code).join('<br>'),
    deny.map(code).join('<br>'),
    tenant === null ? '' : code(tenant),
    where
      .map(({ reads, freshness }) => `by ${reads.map(code).join(', ') || 'itself'} (${freshness})`)
      .join('<br>'),
    engines.map(({ engine, freshness }) => `${code(engine)} (${freshness})`).join('<br>'),
    mode,
  ]
}

/** A pipe would end the cell, even within code. */
function code(text: string): string {
  return `\`${text.replaceAll('|', '\\|')}\``
}
