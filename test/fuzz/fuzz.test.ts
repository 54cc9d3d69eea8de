import { describe, expect, test } from '@jest/globals'
import { availableJudges } from './support/available-judges.ts'
import { shareOf, targets } from './targets/index.ts'

/** Always the same few inputs here; others, and many more, are for the script. */
const INPUTS = 4_000
const SEED = 1

const all = targets(await availableJudges((line) => void process.stderr.write(`${line}\n`)))

describe('whatever comes from outside is read as the standard has it, or refused in good order', () => {
  test.each(all.map((target) => [target.name, target] as const))(
    '%s',
    async (_name, target) => {
      const inputs = shareOf(target, all, INPUTS)
      const report = await target.fuzz({ inputs, seed: SEED })
      expect(report.findings).toEqual([])
      expect(report.inputs).toBe(inputs)
      // Inputs of one kind alone would show nothing.
      expect(report.outcomes.size).toBeGreaterThan(1)
    },
    60_000,
  )
})
