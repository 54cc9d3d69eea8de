import type { ChainDescription } from './description.ts'
import { explain, type Disagreement, type Explanation } from './disagreement.ts'
import { explanations } from './explanations/index.ts'
import { mintChain } from './mint-chain.ts'
import type { Judge, Opinion, Question } from '../support/judges/judge.ts'
import { ours } from '../support/judges/ours.ts'
import type { OtherJudge } from '../support/judges/other-judges.ts'

/** What all judges make of one chain. */
export interface Verdict {
  readonly chain: ChainDescription
  readonly ours: Opinion
  readonly others: ReadonlyMap<OtherJudge, Opinion>
}

/** Mints the chains and asks all judges, ours first. */
export async function judgeAll(
  chains: readonly ChainDescription[],
  judges: readonly Judge<OtherJudge>[],
): Promise<readonly Verdict[]> {
  const questions: Question[] = []
  for (const chain of chains) questions.push(await mintChain(chain))
  const own = await ours.judge(questions)
  const theirs = await Promise.all(judges.map((judge) => judge.judge(questions)))
  return chains.map((chain, number) => ({
    chain,
    ours: own[number]!,
    others: new Map(judges.map(({ name }, judge) => [name, theirs[judge]![number]!])),
  }))
}

export function disagreementsIn({ chain, ours: own, others }: Verdict): readonly Disagreement[] {
  return [...others]
    .filter(([, theirs]) => theirs.accepted !== own.accepted)
    .map(([judge, theirs]) => ({ chain, judge, ours: own, theirs }))
}

export function unexplainedIn(verdict: Verdict): readonly Disagreement[] {
  return disagreementsIn(verdict).filter(
    (disagreement) => explain(disagreement, explanations) === undefined,
  )
}

/** Whether ours accepts what all others refuse, whatever explains each of them. */
export function isAlone({ ours: own, others }: Verdict): boolean {
  return own.accepted && others.size > 0 && ![...others.values()].some(({ accepted }) => accepted)
}

export function isGood({ ours: own, others }: Verdict): boolean {
  return own.accepted && [...others.values()].every(({ accepted }) => accepted)
}

/** How often each explanation is the one for a disagreement with a judge. */
export function countExplanations(
  verdicts: readonly Verdict[],
): ReadonlyMap<Explanation, ReadonlyMap<OtherJudge, number>> {
  const counts = new Map(explanations.map((one) => [one, new Map<OtherJudge, number>()]))
  for (const disagreement of verdicts.flatMap(disagreementsIn)) {
    for (const explanation of new Set(explain(disagreement, explanations))) {
      const byJudge = counts.get(explanation)!
      byJudge.set(disagreement.judge, (byJudge.get(disagreement.judge) ?? 0) + 1)
    }
  }
  return counts
}
