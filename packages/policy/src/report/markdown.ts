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
      .map(
        ({ reads, maxAgeMs }) => `by ${reads.map(code).join(', ') || 'itself'} (${age(maxAgeMs)})`,
      )
      .join('<br>'),
    engines.map(({ engine, maxAgeMs }) => `${code(engine)} (${age(maxAgeMs)})`).join('<br>'),
    mode,
  ]
}

function age(maxAgeMs: number | null): string {
  if (maxAgeMs === 0) return 'asked each time'
  return maxAgeMs === null ? 'cached' : `${maxAgeMs} ms`
}

/** A pipe would end the cell, even within code. */
function code(text: string): string {
  return `\`${text.replaceAll('|', '\\|')}\``
}
