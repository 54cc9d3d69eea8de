import { NOW } from '../support/verdict.ts'
import type { Question } from '../support/judges/judge.ts'
import type { ChainDescription } from './description.ts'
import { mintPath } from './minted-path.ts'
import { sents } from './sent.ts'
import { trusts } from './trust.ts'

/** Makes what a description describes. */
export async function mintChain(description: ChainDescription): Promise<Question> {
  const path = await mintPath(description)
  const chain = await sents.get(description.sent)(path)
  const bundles = await trusts.get(description.trust)(path)
  return { chain, bundles, now: NOW }
}
