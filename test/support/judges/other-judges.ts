import { goSpiffe } from './go-spiffe.ts'
import type { Judge } from './judge.ts'
import { openssl } from './openssl.ts'
import { pkijs } from './pkijs.ts'

export const OTHER_JUDGES = ['openssl', 'pkijs', 'go-spiffe'] as const

export type OtherJudge = (typeof OTHER_JUDGES)[number]

/**
 * The judges beside ours that this machine can have; each is to be disposed of.
 * @param say is told which one is left out, and why
 */
export async function openOtherJudges(say: (line: string) => void): Promise<Judge<OtherJudge>[]> {
  const judges: Judge<OtherJudge>[] = []
  for (const open of [openssl, () => Promise.resolve(pkijs), goSpiffe]) {
    try {
      judges.push(await open())
    } catch (error) {
      say(`a judge is left out: ${error instanceof Error ? error.message : String(error)}`)
    }
  }
  return judges
}
