import { describe, expect, test } from '@jest/globals'
import type { Fetched } from '../endpoint/fetch-bundle.ts'
import { readRelationship } from '../endpoint/options.ts'
import { BundleBudget } from './bundle-budget.ts'
import { FetchSlots } from './fetch-slots.ts'
import { Follower } from './follower.ts'
import { Turns } from './turns.ts'

const nextTurn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

/** Settles as late as `signal` is aborted. */
const aborted = (signal: AbortSignal): Promise<never> =>
  new Promise((_resolve, reject) => {
    signal.addEventListener('abort', () => reject(signal.reason), { once: true })
  })

/** Sleeps that end when a test says so, or when they are aborted. */
class HeldSleeps {
  readonly delays: number[] = []
  readonly now = (): number => this.#now
  readonly #ends: (() => void)[] = []
  #now = 1000

  readonly sleep = (
    ms: number,
    _value: undefined,
    { signal }: { readonly signal: AbortSignal },
  ): Promise<void> => {
    this.delays.push(ms)
    return Promise.race([aborted(signal), new Promise<void>((end) => this.#ends.push(end))])
  }

  end(afterMs = 10): void {
    this.#now += afterMs
    for (const end of this.#ends.splice(0)) end()
  }
}

/** Opens followers of so many trust domains, two of which may fetch at once. No fetch ends by itself. */
function followersOf(count: number, sleeps: HeldSleeps): { all: Follower[]; fetched: string[] } {
  const fetched: string[] = []
  const parts = {
    fetch: (
      { url }: { readonly url: URL },
      _validator: unknown,
      signal: AbortSignal,
    ): Promise<Fetched> => {
      fetched.push(url.host)
      return aborted(signal)
    },
    store: null,
    slots: new FetchSlots(2, sleeps),
    turns: new Turns(),
    budget: new BundleBudget(1024),
    timeoutMs: 30_000,
    clock: Date.now,
    random: () => 0,
    setTimer: () => () => {},
    onChange: () => {},
  }
  const all = Array.from({ length: count }, (_, index) => {
    const name = `${index}.test`
    const options = { trustDomain: name, url: `https://${name}/`, profile: 'https_web' } as const
    return new Follower(readRelationship(options), parts)
  })
  return { all, fetched }
}

describe('fetches that are asked for at once', () => {
  test('start apart', async () => {
    const sleeps = new HeldSleeps()
    const { all, fetched } = followersOf(3, sleeps)
    const refreshed = all.map((follower) => follower.refresh())
    await nextTurn()
    expect([fetched, sleeps.delays]).toEqual([['0.test'], [10]])
    sleeps.end()
    await nextTurn()
    expect(fetched).toEqual(['0.test', '1.test'])
    await Promise.all(all.map((follower) => follower.stop()))
    await Promise.all(refreshed)
  })

  test('start apart also when the process was held up, and all waits have ended at once', async () => {
    const sleeps = new HeldSleeps()
    const slots = new FetchSlots(4, sleeps)
    const { signal } = new AbortController()
    let started = 0
    const start = async (): Promise<void> => {
      started++
    }
    const all = Promise.all(Array.from({ length: 4 }, () => slots.run(start, signal)))
    await nextTurn()
    expect([started, sleeps.delays]).toEqual([1, [10, 10, 10]])
    for (const expected of [2, 3, 4]) {
      sleeps.end(1000)
      // oxlint-disable-next-line no-await-in-loop -- one after the other
      await nextTurn()
      expect(started).toBe(expected)
    }
    await all
  })

  test('end together when all are stopped: those that will never run wait for no start', async () => {
    const sleeps = new HeldSleeps()
    const { all, fetched } = followersOf(100, sleeps)
    const refreshed = all.map((follower) => follower.refresh())
    await nextTurn()
    await Promise.all(all.map((follower) => follower.stop()))
    await Promise.all(refreshed)
    expect([fetched, sleeps.delays]).toEqual([['0.test'], [10]])
  })

  test('go on without the one that is stopped, which waits for no start', async () => {
    const sleeps = new HeldSleeps()
    const { all, fetched } = followersOf(2, sleeps)
    const [first, second] = all.map((follower) => follower.refresh())
    await nextTurn()
    await all[1]?.stop()
    await second
    expect([fetched, sleeps.delays]).toEqual([['0.test'], [10]])
    await all[0]?.stop()
    await first
  })
})
