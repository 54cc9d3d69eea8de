import { afterAll, beforeAll, expect, test } from '@jest/globals'
import type { Judge, Opinion } from '../support/judges/judge.ts'
import { openOtherJudges } from '../support/judges/other-judges.ts'
import { ours } from '../support/judges/ours.ts'
import { GOOD } from './description.ts'
import { mintChain } from './mint-chain.ts'

let judges: readonly Judge[] = []

beforeAll(async () => {
  judges = [ours, ...(await openOtherJudges((line) => void process.stdout.write(`${line}\n`)))]
})

afterAll(async () => {
  for (const judge of judges) await judge[Symbol.asyncDispose]()
})

/** Each judge's answers, by his name. */
async function ask(questions: Parameters<Judge['judge']>[0]): Promise<Map<string, Opinion[]>> {
  const answers = new Map<string, Opinion[]>()
  for (const judge of judges) answers.set(judge.name, [...(await judge.judge(questions))])
  return answers
}

test('every judge accepts the good chain, refuses the forged one, and answers in order', async () => {
  const good = await mintChain(GOOD)
  const forged = await mintChain({ ...GOOD, changes: [{ at: 'leaf', is: 'signed by a stranger' }] })

  for (const [, opinions] of await ask([good, forged, good])) {
    expect(opinions.map(({ accepted }) => accepted)).toEqual([true, false, true])
    expect(opinions.map(({ codes }) => codes.length > 0)).toEqual([false, true, false])
  }
})

test('every judge answers for any octets, and none accepts a leaf of which one octet is changed', async () => {
  const { chain, bundles, now } = await mintChain(GOOD)
  const [leaf, ...others] = chain
  const questions = Array.from({ length: 150 }, (_, number) => {
    const changed = Buffer.from(leaf!)
    changed[Math.floor((number * changed.length) / 150)]! ^= 0x55
    return { chain: [changed, ...others], bundles, now }
  })

  for (const [, opinions] of await ask(questions)) {
    expect(opinions).toHaveLength(questions.length)
    expect(opinions.filter(({ accepted }) => accepted)).toEqual([])
  }
})

test('every judge refuses what is no certificate, and no certificates at all', async () => {
  const { bundles, now } = await mintChain(GOOD)

  for (const [, opinions] of await ask([
    { chain: [Buffer.from('garbage')], bundles, now },
    { chain: [], bundles, now },
  ])) {
    expect(opinions.map(({ accepted }) => accepted)).toEqual([false, false])
  }
})
