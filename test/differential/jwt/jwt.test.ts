import { readFile, writeFile } from 'node:fs/promises'
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import * as fc from 'fast-check'
import { CHANGES, pairs, singles, type Description } from './corpus.ts'
import { explanations } from './explanations/index.ts'
import { openJudges, OTHER_JUDGES, type OpenJudge } from './judges.ts'
import { toMarkdown } from './markdown.ts'
import { describeVerdict, report } from './report.ts'
import { countExplanations, judgeAll, unexplainedIn, type Verdict } from './verdicts.ts'

const PINNED_SEED = 20_261_130
const RANDOM = 700
const SHOWN = 10
/** Builds of the judges take minutes, once; the corpus seconds. */
const TIMEOUT_MS = 900_000

const PAGE = new URL('../../../differential/jwt/disagreements.md', import.meta.url)

const { DIFFERENTIAL_SEED, DIFFERENTIAL_JWT, DIFFERENTIAL_UPDATE } = process.env
const seed = DIFFERENTIAL_SEED === undefined ? PINNED_SEED : Number(DIFFERENTIAL_SEED)

const say = (line: string): void => void process.stdout.write(`${line}\n`)

let judges: readonly OpenJudge[] = []

beforeAll(async () => {
  judges = await openJudges(say)
}, TIMEOUT_MS)

afterAll(async () => {
  for (const judge of judges) await judge[Symbol.asyncDispose]()
})

if (DIFFERENTIAL_JWT === undefined) describe('on the corpus', judgeCorpus)
else
  test('what DIFFERENTIAL_JWT describes is judged alike, or the difference is explained', judgeOne)

async function judgeOne(): Promise<void> {
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- as a failure printed it
  const description = JSON.parse(DIFFERENTIAL_JWT ?? 'null') as Description
  const [verdict] = await judgeAll([description], judges)
  say(describeVerdict(verdict!))
  expect(unexplainedIn(verdict!)).toEqual([])
}

function judgeCorpus(): void {
  let verdicts: readonly Verdict[] = []

  beforeAll(async () => {
    const random = fc.sample(pairs, { seed, numRuns: RANDOM })
    verdicts = await judgeAll([...singles(), ...random], judges)
    say(
      `seed ${seed}\n\n${report(
        verdicts,
        judges.map(({ name }) => name),
      )}`,
    )
  }, TIMEOUT_MS)

  test('there are at least 1,000 tokens and bundles, and ours accepts the good ones', () => {
    expect(verdicts.length).toBeGreaterThanOrEqual(1000)
    const good = verdicts.filter(({ description }) => description.changes.length === 0)
    const refused = good.filter(({ ours }) => ours.error !== undefined)
    expect(refused.map(describeVerdict)).toEqual([])
  })

  test('every disagreement is explained', () => {
    const bad = verdicts.filter((verdict) => unexplainedIn(verdict).length > 0)
    expect(bad.slice(0, SHOWN).map(describeVerdict).join('\n')).toBe('')
  })

  // Another seed may do without some of what the explanations are about.
  if (DIFFERENTIAL_SEED !== undefined) return

  test('every explanation is about something that is there', () => {
    const counts = countExplanations(verdicts)
    const present = new Set(judges.map(({ name }) => name))
    const idle = explanations.flatMap((explanation) =>
      explanation.judges
        .filter((judge) => present.has(judge) && !counts.get(explanation)?.has(judge))
        .map((judge) => `${explanation.title}: ${judge}`),
    )
    expect(idle).toEqual([])
  })
}

test('no explanation says that others are right where ours accepts what they refuse', () => {
  const wrong = explanations.filter(
    ({ difference, right }) => difference === 'theirs refuses' && right === 'theirs',
  )
  expect(wrong).toEqual([])
})

test('disagreements.md says what the explanations say; DIFFERENTIAL_UPDATE=1 writes it', async () => {
  const page = toMarkdown()
  if (DIFFERENTIAL_UPDATE === '1') await writeFile(PAGE, page)
  expect(await readFile(PAGE, 'utf8')).toBe(page)
})

test('explanations name changes and judges that there are', () => {
  const named = explanations.flatMap(({ changes }) => (changes === 'any' ? [] : changes))
  expect(named.filter((change) => !CHANGES.has(change))).toEqual([])
  const asked = new Set(explanations.flatMap((explanation) => explanation.judges))
  expect([...asked].toSorted()).toEqual([...OTHER_JUDGES].toSorted())
})
