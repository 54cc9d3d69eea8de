import type { Report } from './target.ts'

const OUTCOMES_SHOWN = 6

/** One line for a target, and more for what was found. */
export function linesOf(report: Report): readonly string[] {
  const { name, inputs, outcomes, slowestMs, seed, findings, remarks } = report
  const sorted = [...outcomes].toSorted(([, one], [, other]) => other - one)
  const shown = sorted.slice(0, OUTCOMES_SHOWN).map(([outcome, count]) => `${outcome} ${count}`)
  const rest = sorted.length - shown.length
  const counts = rest > 0 ? [...shown, `and ${rest} more`] : shown
  return [
    `${name}: ${inputs} inputs (${counts.join(', ')}); slowest ${slowestMs.toFixed(1)} ms; seed ${seed}`,
    ...remarks.map((remark) => `  ${remark}`),
    ...findings.map((finding) => `FINDING ${finding}`),
  ]
}
