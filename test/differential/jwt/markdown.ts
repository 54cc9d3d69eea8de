import { wrap } from '../markdown.ts'
import type { Difference, Explanation } from './disagreement.ts'
import { explanations } from './explanations/index.ts'

const INTRODUCTION = [
  'Where ours and another judge differ on a JWT-SVID or a SPIFFE bundle of the corpus, and who is right. The test fails on a difference that is none ' +
    'of these, and on one of these that the corpus does not show. The page is written from `explanations/`.',
  'Ours is `verifyJwtSvid` with bundles of `Bundle.parse`. The others: go-spiffe, by `jwtsvid.ParseAndValidate` and `spiffebundle.Parse`; and ' +
    'rust-spiffe, by `JwtSvid::parse_and_validate` and `JwtBundle::from_jwt_authorities`, which reads the key sets of the Workload API and is ' +
    'asked of bundles without X.509 authorities alone. Both go by the clock of the machine.',
]

const PARTS: readonly (readonly [Difference, heading: string])[] = [
  ['theirs refuses', 'Ours accepts'],
  ['ours refuses', 'Ours refuses'],
  ['content', 'Both accept, and read something else'],
]

/** The explanations as a page. */
export function toMarkdown(): string {
  return [
    '# Disagreements on JWT-SVIDs and bundles',
    ...INTRODUCTION.map(wrap),
    ...PARTS.flatMap(part),
    '',
  ]
    .join('\n\n')
    .replace(/\n+$/, '\n')
}

function part([difference, heading]: (typeof PARTS)[number]): string[] {
  const about = explanations.filter((each) => each.difference === difference)
  return [`## ${heading}`, ...about.flatMap(section)]
}

function section({ title, judges, rule, right, why }: Explanation): string[] {
  return [
    `### ${title[0]!.toUpperCase()}${title.slice(1)}`,
    wrap(why),
    [`- Judges: ${judges.join(', ')}`, `- Rule: ${rule}`, `- Right: ${right}`].join('\n'),
  ]
}
