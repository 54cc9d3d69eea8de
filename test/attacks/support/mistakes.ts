import { afterAll, beforeAll, expect, test } from '@jest/globals'
import { canaries, leaks, misplaced } from './canaries.ts'
import { closeTakers, READERS, TAKERS } from './option-takers.ts'

/** The canaries that the quick suite puts where no application is booted, which takes longest. */
const QUICK: ReadonlySet<string> = new Set(['a private key', 'a password in a URL'])
/** The one that it puts into applications as well. */
const QUICK_EVERYWHERE = 'a private key'

/** Who boots an application for each mistake. */
const BOOTING: ReadonlySet<string> = new Set([
  'authz',
  'authz tenants',
  'authz cache',
  'authz policy',
  'authz reload',
  'authz replicas',
  'authz decisionLog',
  'a rule',
  'a condition',
  'a comparison',
  'a matcher',
  'registered engines',
  'peer',
  'svid',
  'fastify-spiffe',
  'bundleEndpoint',
  'a whole rule',
  'protect',
  'a whole document',
])

type IsMeant = (name: string) => boolean
type Mistakes = readonly (readonly [name: string, canary: string, isMeant: IsMeant])[]

const isQuick = (canary: string, taker: string): boolean =>
  QUICK.has(canary) && (canary === QUICK_EVERYWHERE || !BOOTING.has(taker))

const chosen = (quick: boolean): Mistakes =>
  [...canaries]
    .map(([name, canary]) => {
      const isMeant: IsMeant = (taker) => isQuick(name, taker) === quick
      return [name, canary, isMeant] as const
    })
    .filter(([, , isMeant]) => [...TAKERS, ...READERS].some(([taker]) => isMeant(taker)))

/** The canaries of the quick suite, and who gets them. */
export const quickMistakes: Mistakes = chosen(true)
/** All others: those of `test:faults`. */
export const otherMistakes: Mistakes = chosen(false)

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

/** The tests that no error shows the canary, in whichever option of whom it is put. */
export function putEverywhere(canary: string, isMeant: IsMeant): void {
  for (const [index, [taker, make, good, names]] of TAKERS.entries()) {
    if (!isMeant(taker)) continue
    test(`of the options of ${taker} (${index})`, async () => {
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
  }

  test.each(READERS.filter(([reader]) => isMeant(reader)))('of %s', async (_reader, make) => {
    for (const value of misplaced(canary)) {
      expect(await leaksOf(() => make(value as never))).toEqual([])
    }
  })
}
