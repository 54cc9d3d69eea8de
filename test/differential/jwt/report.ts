import type { TokenAnswer } from '../../interop/peer.ts'
import { differenceOf } from './disagreement.ts'
import { explanations } from './explanations/index.ts'
import type { OtherJudge } from './judges.ts'
import { countExplanations, type Verdict } from './verdicts.ts'

/** The counts by pair of verdicts, and by explanation. */
export function report(verdicts: readonly Verdict[], judges: readonly OtherJudge[]): string {
  const accepted = verdicts.filter(({ ours }) => ours.error === undefined).length
  const counts = countExplanations(verdicts)
  return [
    `${verdicts.length} tokens and bundles: ours accepts ${accepted}`,
    '',
    'judge | asked | agrees | ours refuses | theirs refuses | content',
    ...judges.map((judge) => [judge, ...countsOf(verdicts, judge)].join(' | ')),
    '',
    ...explanations.map(
      (each) =>
        `${each.title} (${each.difference}): ${[...counts.get(each)!].join(' ').replaceAll(',', ' ')}`,
    ),
    '',
  ].join('\n')
}

function countsOf(verdicts: readonly Verdict[], judge: OtherJudge): readonly number[] {
  const asked = verdicts.filter(({ others }) => others.has(judge))
  const differences = asked.map(({ ours, others }) => differenceOf(ours, others.get(judge)!))
  const count = (wanted: string | undefined): number =>
    differences.filter((difference) => difference === wanted).length
  return [
    asked.length,
    count(undefined),
    count('ours refuses'),
    count('theirs refuses'),
    count('content'),
  ]
}

export function describeVerdict({ description, ours, others }: Verdict): string {
  return [
    JSON.stringify(description),
    `  ours: ${describe(ours)}`,
    ...[...others].map(([judge, answer]) => `  ${judge}: ${describe(answer)}`),
    `  alone: DIFFERENTIAL_JWT='${JSON.stringify(description)}' npx -y pnpm@10 test:differential`,
  ].join('\n')
}

function describe({ error, x509, ...rest }: TokenAnswer): string {
  if (error !== undefined) return `refuses: ${error}`
  return JSON.stringify({ ...rest, ...(x509 !== undefined && { certificates: x509.length }) })
}
