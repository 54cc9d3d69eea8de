import { groupOf, LEVELS, type Level } from './case.ts'
import { STATUSES, type Result, type Status } from './run-cases.ts'

/** The results of one group, counted. */
export interface GroupSummary {
  readonly group: string
  readonly statuses: Readonly<Record<Status, number>>
  /** How many of each level passed, and how many there are. */
  readonly levels: Readonly<Record<Level, { readonly passed: number; readonly total: number }>>
  /** All of the core passed, and nothing was skipped. `null`: it has no core. */
  readonly isClaimed: boolean | null
}

export function countStatuses(results: readonly Result[]): Readonly<Record<Status, number>> {
  const count = (wanted: Status): number => results.filter(({ status }) => status === wanted).length
  return { PASS: count('PASS'), FAIL: count('FAIL'), SKIP: count('SKIP'), ERROR: count('ERROR') }
}

/** The groups in the order of their first results. */
export function summarize(results: readonly Result[]): readonly GroupSummary[] {
  const groups = new Set(results.map(({ conformanceCase }) => groupOf(conformanceCase)))
  return [...groups].map((group) =>
    summaryOf(
      group,
      results.filter(({ conformanceCase }) => groupOf(conformanceCase) === group),
    ),
  )
}

/** Counts results together, under the name of a group. */
export function summaryOf(group: string, results: readonly Result[]): GroupSummary {
  const levelOf = (level: Level) => {
    const those = results.filter(({ conformanceCase }) => conformanceCase.level === level)
    return { passed: countStatuses(those).PASS, total: those.length }
  }
  const levels = {
    core: levelOf('core'),
    recommended: levelOf('recommended'),
    optional: levelOf('optional'),
  }
  const statuses = countStatuses(results)
  const { passed, total } = levels.core
  const isClaimed = total === 0 ? null : passed === total && statuses.SKIP === 0
  return { group, statuses, levels, isClaimed }
}

/** A row of figures for a table: passed of all for each level, then the statuses. */
export function figures({ levels, statuses }: GroupSummary): string[] {
  return [
    ...LEVELS.map((level) => {
      const { passed, total } = levels[level]
      return total === 0 ? '' : `${passed}/${total}`
    }),
    ...STATUSES.map((status) => (statuses[status] === 0 ? '' : String(statuses[status]))),
  ]
}
