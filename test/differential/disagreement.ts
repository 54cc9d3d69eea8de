import type { Opinion } from '../support/judges/judge.ts'
import type { OtherJudge } from '../support/judges/other-judges.ts'
import type { ChainDescription } from './description.ts'

/** A difference between our verdict and another's that is understood. */
export interface Explanation {
  /** What is different, in a few words. */
  readonly title: string
  readonly judges: readonly OtherJudge[]
  /** Who refuses what the other accepts. */
  readonly refuses: 'ours' | 'theirs'
  /** The reasons that the one who refuses gives. */
  readonly codes: readonly string[]
  /** Whether the chain is one of those that it is about. */
  readonly when: (chain: ChainDescription, code: string) => boolean
  /** The rule that it turns on, with its source. */
  readonly rule: string
  /** `either` where the standards leave it open. */
  readonly right: 'ours' | 'theirs' | 'either'
  readonly why: string
}

/** One chain on which ours and another judge differ. */
export interface Disagreement {
  readonly chain: ChainDescription
  readonly judge: OtherJudge
  readonly ours: Opinion
  readonly theirs: Opinion
}

/**
 * The explanations of a disagreement; `undefined` when there is a reason for the refusal, one of several perhaps, that none
 * of them explains.
 */
export function explain(
  { chain, judge, ours, theirs }: Disagreement,
  explanations: readonly Explanation[],
): readonly Explanation[] | undefined {
  const refuses = ours.accepted ? 'theirs' : 'ours'
  const { codes } = ours.accepted ? theirs : ours
  const found: Explanation[] = []
  for (const code of codes) {
    const fitting = explanations.filter(
      (explanation) =>
        explanation.judges.includes(judge) &&
        explanation.refuses === refuses &&
        explanation.codes.includes(code) &&
        explanation.when(chain, code),
    )
    if (fitting.length === 0) return undefined
    found.push(...fitting)
  }
  return found
}
