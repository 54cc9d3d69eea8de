import { explanations } from './explanations/index.ts'
import type { Explanation } from './disagreement.ts'

const WIDTH = 150

const INTRODUCTION = [
  'Where `verifyX509Svid` and another judge differ on a chain of the corpus, and who is right. The test fails on a difference that ' +
    'is none of these, on one of these that no chain shows, and where ours accepts what all others refuse. The page is written from ' +
    '`explanations/`.',
  'The judges: `openssl verify` for both purposes, as strict as it gets (`-x509_strict -auth_level 2`), with any anchor ' +
    '(`-partial_chain`), whose reasons are its error numbers; the chain validation of pkijs, whose reasons are its result codes; and ' +
    "go-spiffe on Go's `crypto/x509`. The first two know no SPIFFE IDs, and are given the bundle of the trust domain of the leaf.",
]

/** The explanations as a page. */
export function toMarkdown(): string {
  const accepted = explanations.filter(({ refuses }) => refuses === 'theirs')
  const refused = explanations.filter(({ refuses }) => refuses === 'ours')
  return [
    '# Disagreements',
    ...INTRODUCTION.map(wrap),
    '## Ours accepts',
    ...accepted.flatMap(section),
    '## Ours refuses',
    ...refused.flatMap(section),
    '',
  ]
    .join('\n\n')
    .replace(/\n+$/, '\n')
}

function section({ title, judges, codes, rule, right, why, refuses }: Explanation): string[] {
  const reasons = codes.map((code) => `\`${code}\``).join(', ')
  const whose = refuses === 'ours' ? 'ours' : 'the others'
  return [
    `### ${title[0]!.toUpperCase()}${title.slice(1)}`,
    wrap(why),
    [
      `- Judges: ${judges.join(', ')}`,
      wrap(`- Reasons given by ${whose}: ${reasons}`).replaceAll('\n', '\n  '),
      `- Rule: ${rule}`,
      `- Right: ${right}`,
    ].join('\n'),
  ]
}

/** Breaks lines between words. */
export function wrap(text: string): string {
  return text.replaceAll(new RegExp(`(?=.{${WIDTH}})(.{1,${WIDTH}}) `, 'g'), '$1\n')
}
