import { readFile, writeFile } from 'node:fs/promises'
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import * as fc from 'fast-check'
import type { Judge } from '../support/judges/judge.ts'
import { openOtherJudges, OTHER_JUDGES, type OtherJudge } from '../support/judges/other-judges.ts'
import { chains, singles } from './corpus.ts'
import type { ChainDescription } from './description.ts'
import { explanations } from './explanations/index.ts'
import { toMarkdown } from './markdown.ts'
import { describeVerdict, report } from './report.ts'
import { isAloneAfterAll } from './second-hearing.ts'
import { shrink } from './shrink.ts'
import { countExplanations, isGood, judgeAll, unexplainedIn, type Verdict } from './verdicts.ts'

const PINNED_SEED = 20_260_601
const RANDOM_CHAINS = 1600
const SHOWN = 5
/** Two thousand chains and three judges take two minutes on a machine that is not busy otherwise. */
const TIMEOUT_MS = 900_000

const PAGE = new URL('../../differential/disagreements.md', import.meta.url)

const { DIFFERENTIAL_SEED, DIFFERENTIAL_CHAIN, DIFFERENTIAL_UPDATE } = process.env
const seed = DIFFERENTIAL_SEED === undefined ? PINNED_SEED : Number(DIFFERENTIAL_SEED)

const say = (line: string): void => void process.stdout.write(`${line}\n`)

let judges: readonly Judge<OtherJudge>[] = []

beforeAll(async () => {
  judges = await openOtherJudges(say)
})

afterAll(async () => {
  for (const judge of judges) await judge[Symbol.asyncDispose]()
})

if (DIFFERENTIAL_CHAIN === undefined) describe('on the corpus', judgeCorpus)
else
  test('the chain of DIFFERENTIAL_CHAIN is judged alike, or the difference is explained', judgeOne)

async function judgeOne(): Promise<void> {
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- as a failure printed it
  const chain = JSON.parse(DIFFERENTIAL_CHAIN ?? 'null') as ChainDescription
  const [verdict] = await judgeAll([chain], judges)
  say(describeVerdict(verdict!))
  expect(unexplainedIn(verdict!)).toEqual([])
  expect(await isAloneAfterAll(verdict!, judges)).toBe(false)
}

function judgeCorpus(): void {
  const own = singles()
  let verdicts: readonly Verdict[] = []

  beforeAll(async () => {
    const random = fc.sample(chains, { seed, numRuns: RANDOM_CHAINS })
    verdicts = await judgeAll([...own, ...random], judges)
    say(
      `seed ${seed}\n\n${report(
        verdicts,
        judges.map(({ name }) => name),
      )}`,
    )
  }, TIMEOUT_MS)

  /** The worst ones, as small as they get. */
  async function complaints(
    isBad: (verdict: Verdict) => boolean | Promise<boolean>,
  ): Promise<string> {
    const bad: [number, Verdict][] = []
    for (const entry of verdicts.entries()) if (await isBad(entry[1])) bad.push(entry)
    const shown: string[] = []
    for (const [number, verdict] of bad.slice(0, SHOWN)) {
      const index = number - own.length
      const smaller = index < 0 ? undefined : await shrink({ seed, index }, judges, isBad)
      shown.push(describeVerdict(smaller ?? verdict))
    }
    return shown.join('\n')
  }

  test('there are at least 2,000 chains, and all judges accept a quarter of them', () => {
    expect(verdicts.length).toBeGreaterThanOrEqual(2000)
    expect(verdicts.filter(isGood).length).toBeGreaterThan(verdicts.length / 4)
  })

  test('every disagreement is explained', async () => {
    expect(await complaints((verdict) => unexplainedIn(verdict).length > 0)).toBe('')
  })

  test('nothing is accepted that all other judges refuse', async () => {
    // Of few judges all may have the same objection.
    if (judges.length < OTHER_JUDGES.length)
      return say('not asked what all refuse: a judge is missing')
    expect(await complaints((verdict) => isAloneAfterAll(verdict, judges))).toBe('')
  })

  // Another seed may do without some of the chains that the explanations are about.
  if (DIFFERENTIAL_SEED !== undefined) return

  test('every explanation is about a chain that is there', () => {
    const counts = countExplanations(verdicts)
    const present = new Set(judges.map(({ name }) => name))
    const idle = explanations.flatMap((explanation) =>
      explanation.judges
        .filter((judge) => present.has(judge))
        .filter((judge) => !counts.get(explanation)?.has(judge))
        .map((judge) => `${explanation.title}: ${judge}`),
    )
    expect(idle).toEqual([])
  })
}

test('disagreements.md says what the explanations say; DIFFERENTIAL_UPDATE=1 writes it', async () => {
  const page = toMarkdown()
  if (DIFFERENTIAL_UPDATE === '1') await writeFile(PAGE, page)
  expect(await readFile(PAGE, 'utf8')).toBe(page)
})

test('every judge has something to explain', () => {
  const named = new Set(explanations.flatMap((explanation) => explanation.judges))
  expect([...named].toSorted()).toEqual([...OTHER_JUDGES].toSorted())
})
