import { LEVELS } from './case.ts'
import { groups as contents, leftOut, parts } from './catalogue.ts'
import { expectationOf, isExpected, type Expectations } from './expectations.ts'
import { STATUSES, type Result } from './run-cases.ts'
import { countStatuses, figures, summarize, summaryOf, type GroupSummary } from './summary.ts'

/** What a report is about. */
export interface Run {
  /** The executable of the harness. */
  readonly harness: string
  readonly node: string
  readonly results: readonly Result[]
  readonly expectations: Expectations
}

/** The results for a program. */
export function toJson({ harness, node, results, expectations }: Run): string {
  const report = {
    contract: 1,
    harness,
    node,
    counts: countStatuses(results),
    groups: summarize(results),
    results: results.map(({ conformanceCase, status, detail, durationMs }) => {
      const { name, level, title, rule } = conformanceCase
      const expected = expectationOf(conformanceCase, expectations)
      return { name, level, title, rule, status, detail, durationMs, expected }
    }),
    leftOut: leftOut.map(([what, why]) => ({ what, why })),
  }
  return `${JSON.stringify(report, null, 2)}\n`
}

/** The results for a reader. */
export function toMarkdown(run: Run): string {
  const { harness, node, results } = run
  return [
    '# SPIFFE conformance',
    `Harness \`${harness}\`, contract v1, Node ${node}. Levels: passed of all.`,
    groupTable(results),
    ...parts.map(({ title, cases }) => {
      const those = results.filter(({ conformanceCase }) => cases.includes(conformanceCase))
      return those.length === 0 ? '' : `## ${title}\n\n${resultTable(those)}`
    }),
    ...details(run),
    `## Left out\n\n${leftOut.map(([what, why]) => `- ${what}: ${why}`).join('\n')}`,
  ]
    .filter((part) => part !== '')
    .join('\n\n')
}

function groupTable(results: readonly Result[]): string {
  const groups = summarize(results)
  return table(
    ['group', 'about', ...LEVELS, ...STATUSES, 'claimed'],
    [
      ...groups.map((group) =>
        [group.group, contents.get(group.group) ?? ''].concat(figures(group), claim(group)),
      ),
      ['all', '', ...figures(summaryOf('all', results)), ''],
    ],
  )
}

function claim({ isClaimed }: GroupSummary): string {
  if (isClaimed === null) return ''
  return isClaimed ? 'yes' : 'no'
}

function resultTable(results: readonly Result[]): string {
  return table(
    ['result', 'level', 'status', 'what has to be true', 'rule'],
    results.map(({ conformanceCase: { name, level, title, rule }, status }) => [
      name,
      level,
      status,
      title,
      rule,
    ]),
  )
}

function details({ results, expectations }: Run): string[] {
  const others = results.filter(
    (result) => result.status !== 'PASS' || !isExpected(result, expectations),
  )
  if (others.length === 0) return []
  const items = others.map((result) => {
    const { conformanceCase, status, detail } = result
    const { reason } = expectationOf(conformanceCase, expectations)
    const why = isExpected(result, expectations) ? `expected: ${reason}` : 'not expected'
    return `- ${conformanceCase.name}: ${status}, ${why}. ${detail.split('\n')[0]}`
  })
  return [`## What did not pass\n\n${items.join('\n')}`]
}

/** A table whose columns are as wide as their widest cell, to be read in a terminal too. */
function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const all = [head, ...rows].map((row) => row.map((cell) => cell.replaceAll('|', '\\|')))
  const widths = head.map((_, column) => Math.max(...all.map((row) => row[column]?.length ?? 0)))
  const line = (cells: readonly string[]): string =>
    `| ${cells.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join(' | ')} |`
  const [first = [], ...others] = all
  return [line(first), line(widths.map((width) => '-'.repeat(width))), ...others.map(line)].join(
    '\n',
  )
}
