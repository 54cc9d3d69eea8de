import { describe } from '@jest/globals'
import { putEverywhere, otherCanaries } from '../attacks/support/mistakes.ts'

describe.each(otherCanaries)('%s in the wrong place is in no error', (_name, canary) =>
  putEverywhere(canary),
)
