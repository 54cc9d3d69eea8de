import type { Judge } from '../../support/judges/judge.ts'
import { openssl } from '../../support/judges/openssl.ts'
import { pkijs } from '../../support/judges/pkijs.ts'

/**
 * Who is asked about spoilt chains that ours accepts.
 * @param say is told why one is left out
 */
export async function availableJudges(say: (line: string) => void): Promise<readonly Judge[]> {
  try {
    return [await openssl(), pkijs]
  } catch (error) {
    say(`openssl is not asked about spoilt chains: ${String(error)}`)
    return [pkijs]
  }
}
