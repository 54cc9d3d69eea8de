import { afterAll, beforeAll, expect, test } from '@jest/globals'
import { canaries, leaks, misplaced } from './canaries.ts'
import { closeTakers, READERS, TAKERS } from './option-takers.ts'

type Canaries = readonly (readonly [name: string, canary: string])[]

const QUICK: ReadonlySet<string> = new Set(['a private key', 'a password in a URL'])

const chosen = (isQuick: boolean): Canaries =>
  [...canaries].filter(([name]) => QUICK.has(name) === isQuick)

/** The canaries that the quick suite puts everywhere. */
export const quickCanaries: Canaries = chosen(true)
/** Those that `test:faults` does. */
export const otherCanaries: Canaries = chosen(false)

const stackTraceLimit = Error.stackTraceLimit
beforeAll(() => {
  // A stack trace holds no values, and takes longer to write than anything else here.
  Error.stackTraceLimit = 0
})
afterAll(async () => {
  Error.stackTraceLimit = stackTraceLimit
  await closeTakers()
})

/** Closes what was made after all: not each canary is a mistake everywhere. */
async function tried(make: () => unknown): Promise<void> {
  const made = await make()
  for (const end of ['close', 'destroy']) {
    const close: unknown = typeof made === 'object' && made !== null && Reflect.get(made, end)
    if (typeof close === 'function') await Reflect.apply(close, made, [])
  }
}

async function leaksOf(make: () => unknown): Promise<readonly string[]> {
  try {
    await tried(make)
    return []
  } catch (error) {
    return leaks(error)
  }
}

/** The tests that no error shows the canary, wherever it is put. */
export function putEverywhere(canary: string): void {
  test.each(TAKERS)('of the options of %s (%#)', async (_taker, make, good, names) => {
    const found: string[] = []
    for (const name of names) {
      for (const value of misplaced(canary)) {
        const options = { ...good, [name]: value } as never
        const leaked = await leaksOf(() => make(options))
        if (leaked.length > 0) found.push(name)
      }
    }
    expect(found).toEqual([])
  })

  test.each(READERS)('of %s', async (_reader, make) => {
    for (const value of misplaced(canary)) {
      expect(await leaksOf(() => make(value as never))).toEqual([])
    }
  })
}
