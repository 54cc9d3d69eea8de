import type { Judge } from '../support/judges/judge.ts'
import type { OtherJudge } from '../support/judges/other-judges.ts'
import { GOOD, type ChainDescription } from './description.ts'
import { explain } from './disagreement.ts'
import { explanations } from './explanations/index.ts'
import { disagreementsIn, isAlone, judgeAll, type Verdict } from './verdicts.ts'

/**
 * Whether nobody stands by ours, which accepts what all others refuse. Each may have an explained objection of its own to
 * one oddity of the chain; then one of them has to accept the chain once the oddities that he objects to are gone.
 */
export async function isAloneAfterAll(
  verdict: Verdict,
  judges: readonly Judge<OtherJudge>[],
): Promise<boolean> {
  if (!isAlone(verdict)) return false
  for (const judge of judges) {
    if (await agreesInTheEnd(verdict, judge)) return false
  }
  return true
}

async function agreesInTheEnd(verdict: Verdict, judge: Judge<OtherJudge>): Promise<boolean> {
  const disagreement = disagreementsIn(verdict).find(({ judge: name }) => name === judge.name)
  if (disagreement === undefined) return verdict.ours.accepted
  const objections = explain(disagreement, explanations) ?? []
  const { codes } = disagreement.theirs
  const isObjected = (chain: ChainDescription): number =>
    objections.filter(({ when }) => codes.some((code) => when(chain, code))).length
  const better = withoutOneOddity(verdict.chain).find(
    (chain) => isObjected(chain) < isObjected(verdict.chain),
  )
  if (better === undefined) return false
  const [next] = await judgeAll([better], [judge])
  return agreesInTheEnd(next!, judge)
}

function withoutOneOddity(chain: ChainDescription): readonly ChainDescription[] {
  const { keyType, identity, trust, sent } = GOOD
  return [
    ...chain.changes.map(({ is }) => ({
      ...chain,
      changes: chain.changes.filter((change) => change.is !== is),
    })),
    { ...chain, keyType },
    { ...chain, identity },
    { ...chain, trust },
    { ...chain, sent },
  ]
}
