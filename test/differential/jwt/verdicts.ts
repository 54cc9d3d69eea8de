import type { TokenAnswer } from '../../interop/peer.ts'
import { mintX509Keys } from './bundle-draft.ts'
import { mintToken, writeBundle, type Description } from './corpus.ts'
import {
  differenceOf,
  explanationsOf,
  type Disagreement,
  type Explanation,
} from './disagreement.ts'
import { explanations } from './explanations/index.ts'
import { askOurs, type OpenJudge, type OtherJudge, type Question } from './judges.ts'
import { AUDIENCE, TRUST_DOMAIN } from './token-draft.ts'

/** What all judges make of one token or bundle. */
export interface Verdict {
  readonly description: Description
  readonly ours: TokenAnswer
  readonly others: ReadonlyMap<OtherJudge, TokenAnswer>
}

/** The verdicts, in order. Other judges have no clock of their own: all tokens are of this very time. */
export async function judgeAll(
  descriptions: readonly Description[],
  judges: readonly OpenJudge[],
): Promise<readonly Verdict[]> {
  const x509 = await mintX509Keys()
  const verdicts: Verdict[] = []
  for (const description of descriptions) {
    const question: Question =
      'bundle' in description
        ? { do: 'read', trustDomain: TRUST_DOMAIN, bundle: writeBundle(description, x509) }
        : { do: 'verify', audience: AUDIENCE, ...mintToken(description, seconds()) }
    const asked = judges.filter((judge) => isFor(judge, description))
    const [ours, ...theirs] = await Promise.all([
      askOurs(question),
      ...asked.map((judge) => judge.ask(question)),
    ])
    const others = new Map(asked.map(({ name }, index) => [name, theirs[index]!]))
    verdicts.push({ description, ours, others })
  }
  return verdicts
}

export function disagreementsIn({ description, ours, others }: Verdict): readonly Disagreement[] {
  return [...others].flatMap(([judge, theirs]) => {
    const difference = differenceOf(ours, theirs)
    return difference === undefined ? [] : [{ description, judge, difference, ours, theirs }]
  })
}

export function unexplainedIn(verdict: Verdict): readonly Disagreement[] {
  return disagreementsIn(verdict).filter((one) => explanationsOf(one, explanations).length === 0)
}

/** How often each explanation is one for a disagreement with a judge. */
export function countExplanations(
  verdicts: readonly Verdict[],
): ReadonlyMap<Explanation, ReadonlyMap<OtherJudge, number>> {
  const counts = new Map(explanations.map((one) => [one, new Map<OtherJudge, number>()]))
  for (const disagreement of verdicts.flatMap(disagreementsIn)) {
    for (const explanation of explanationsOf(disagreement, explanations)) {
      const byJudge = counts.get(explanation)!
      byJudge.set(disagreement.judge, (byJudge.get(disagreement.judge) ?? 0) + 1)
    }
  }
  return counts
}

/** rust-spiffe reads the key sets of the Workload API alone, which have JWT authorities and nothing else. */
function isFor({ name }: OpenJudge, description: Description): boolean {
  return name !== 'rust-spiffe' || !('bundle' in description) || description.bundle === 'JWT keys'
}

function seconds(): number {
  return Math.floor(Date.now() / 1000)
}
