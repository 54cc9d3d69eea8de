// `test:faults` puts the other canaries everywhere, and a password into applications too.
import { describe } from '@jest/globals'
import { putEverywhere, quickMistakes } from './support/mistakes.ts'

describe.each(quickMistakes)('%s in the wrong place is in no error', (_name, canary, isMeant) =>
  putEverywhere(canary, isMeant),
)
