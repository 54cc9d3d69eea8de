import type { OtherJudge } from '../support/judges/other-judges.ts'
import type { Opinion } from '../support/judges/judge.ts'
import { explanations } from './explanations/index.ts'
import { countExplanations, isGood, type Verdict } from './verdicts.ts'

/** The counts by pair of verdicts, and by explanation. */
export function report(verdicts: readonly Verdict[], judges: readonly OtherJudge[]): string {
  const good = verdicts.filter(isGood).length
  const accepted = verdicts.filter(({ ours }) => ours.accepted).length
  return [
    `${verdicts.length} chains: ours accepts ${accepted}, and all judges accept ${good}`,
    '',
    ['judge', 'both accept', 'both refuse', 'only ours refuses', 'only ours accepts'].join(' | '),
    ...judges.map((judge) => [judge, ...pairs(verdicts, judge)].join(' | ')),
    '',
    'explanation (who refuses): count by judge',
    ...explanationLines(verdicts),
  ].join('\n')
}

function pairs(verdicts: readonly Verdict[], judge: OtherJudge): readonly number[] {
  const count = (own: boolean, other: boolean): number =>
    verdicts.filter(
      ({ ours, others }) => ours.accepted === own && others.get(judge)?.accepted === other,
    ).length
  return [count(true, true), count(false, false), count(false, true), count(true, false)]
}

function explanationLines(verdicts: readonly Verdict[]): readonly string[] {
  const counts = countExplanations(verdicts)
  return explanations.map((explanation) => {
    const byJudge = [...(counts.get(explanation) ?? [])].map(
      ([judge, count]) => `${judge} ${count}`,
    )
    return `${explanation.title} (${explanation.refuses}): ${byJudge.join(', ') || 'none'}`
  })
}

export function describeVerdict({ chain, ours, others }: Verdict): string {
  return [
    JSON.stringify(chain),
    `  ours: ${describe(ours)}`,
    ...[...others].map(([judge, opinion]) => `  ${judge}: ${describe(opinion)}`),
    `  alone: DIFFERENTIAL_CHAIN='${JSON.stringify(chain)}' npx -y pnpm@10 test:differential`,
  ].join('\n')
}

function describe({ accepted, codes }: Opinion): string {
  return accepted ? 'accepts' : `refuses: ${codes.join(', ')}`
}
