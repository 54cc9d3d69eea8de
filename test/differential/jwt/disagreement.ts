import type { TokenAnswer } from '../../interop/peer.ts'
import type { Description } from './corpus.ts'
import type { OtherJudge } from './judges.ts'

/** `content`: both accept, and have read something else. */
export type Difference = 'ours refuses' | 'theirs refuses' | 'content'

/** A difference between our verdict and another's that is understood. */
export interface Explanation {
  /** What is different, in a few words. */
  readonly title: string
  readonly judges: readonly OtherJudge[]
  readonly difference: Difference
  /** The changes that lead to it: one of them is in the description. `any` for every token or bundle. */
  readonly changes: readonly string[] | 'any'
  /** Further conditions. */
  readonly when?: (description: Description) => boolean
  /** What the one who refuses says: of ours, the code. Absent for `content`. */
  readonly reason?: RegExp
  /** The rule that it turns on, with its source. */
  readonly rule: string
  /** `either` where the standards leave it open. */
  readonly right: 'ours' | 'theirs' | 'either'
  readonly why: string
}

/** One token or bundle on which ours and another judge differ. */
export interface Disagreement {
  readonly description: Description
  readonly judge: OtherJudge
  readonly difference: Difference
  readonly ours: TokenAnswer
  readonly theirs: TokenAnswer
}

/** The difference between two answers, if there is one. What a judge does not tell is not compared. */
export function differenceOf(ours: TokenAnswer, theirs: TokenAnswer): Difference | undefined {
  if (ours.error !== undefined || theirs.error !== undefined) {
    if (ours.error !== undefined && theirs.error !== undefined) return undefined
    return ours.error === undefined ? 'theirs refuses' : 'ours refuses'
  }
  const told = Object.keys({ ...ours, ...theirs }) as (keyof TokenAnswer)[]
  const differs = told.some(
    (name) =>
      (theirs[name] !== undefined || isTold(name, theirs)) &&
      JSON.stringify(ours[name]) !== JSON.stringify(theirs[name]),
  )
  return differs ? 'content' : undefined
}

/** Who tells the certificates of a bundle tells all of it: what is absent then is not in the bundle. */
function isTold(name: keyof TokenAnswer, { x509 }: TokenAnswer): boolean {
  return x509 !== undefined && (name === 'sequence' || name === 'refreshHint')
}

export function explanationsOf(
  { description, judge, difference, ours, theirs }: Disagreement,
  explanations: readonly Explanation[],
): readonly Explanation[] {
  const said = ours.error ?? theirs.error ?? ''
  return explanations.filter(
    (explanation) =>
      explanation.judges.includes(judge) &&
      explanation.difference === difference &&
      isAbout(explanation, description) &&
      (explanation.reason?.test(said) ?? true),
  )
}

function isAbout({ changes, when }: Explanation, description: Description): boolean {
  const isChanged = changes === 'any' || description.changes.some((each) => changes.includes(each))
  return isChanged && (when?.(description) ?? true)
}
