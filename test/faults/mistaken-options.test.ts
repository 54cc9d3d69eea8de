import { describe } from '@jest/globals'
import { otherMistakes, putEverywhere } from '../attacks/support/mistakes.ts'

describe.each(otherMistakes)('%s in the wrong place is in no error', (_name, canary, isMeant) =>
  putEverywhere(canary, isMeant),
)
