import { describe, expect, test } from '@jest/globals'
import { availableJudges } from './support/available-judges.ts'
import { shareOf, targets } from './targets/index.ts'

/** Always the same few inputs here; others, and many more, are for the script. */
const INPUTS = 1_500
/** Where its share of these is small, a target gets its share of more: few inputs would all be of one kind. */
const SMALL_SHARE = 50
const INPUTS_FOR_SMALL_SHARES = 4_000
const SEED = 1

const all = targets(await availableJudges((line) => void process.stderr.write(`${line}\n`)))

describe('whatever comes from outside is read as the standard has it, or refused in good order', () => {
  test.each(all.map((target) => [target.name, target] as const))(
    '%s',
    async (_name, target) => {
      const among = target.share > SMALL_SHARE ? INPUTS : INPUTS_FOR_SMALL_SHARES
      const inputs = shareOf(target, all, among)
      const report = await target.fuzz({ inputs, seed: SEED })
      expect(report.findings).toEqual([])
      expect(report.inputs).toBe(inputs)
      // Inputs of one kind alone would show nothing.
      expect(report.outcomes.size).toBeGreaterThan(1)
    },
    60_000,
  )
})
