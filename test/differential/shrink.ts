import * as fc from 'fast-check'
import type { Judge } from '../support/judges/judge.ts'
import type { OtherJudge } from '../support/judges/other-judges.ts'
import { chains } from './corpus.ts'
import { judgeAll, type Verdict } from './verdicts.ts'

/**
 * The smallest chain that is as bad as the one which the seed gives at that index.
 * @param isBad whether a verdict is of the kind that is looked for
 */
export async function shrink(
  { seed, index }: { readonly seed: number; readonly index: number },
  judges: readonly Judge<OtherJudge>[],
  isBad: (verdict: Verdict) => boolean | Promise<boolean>,
): Promise<Verdict | undefined> {
  let smallest: Verdict | undefined
  const property = fc.asyncProperty(chains, async (chain) => {
    const [verdict] = await judgeAll([chain], judges)
    if (verdict === undefined || !(await isBad(verdict))) return true
    smallest = verdict
    return false
  })
  await fc.check(property, { seed, path: String(index), numRuns: 1 })
  return smallest
}
