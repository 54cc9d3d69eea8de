// The other canaries are put everywhere by `test:faults`.
import { describe } from '@jest/globals'
import { putEverywhere, quickCanaries } from './support/mistakes.ts'

describe.each(quickCanaries)('%s in the wrong place is in no error', (_name, canary) =>
  putEverywhere(canary),
)
