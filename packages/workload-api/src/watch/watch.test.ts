import { describe, expect, test } from '@jest/globals'

import { WorkloadApiError } from '../errors.ts'
import type { WorkloadApiErrorCode } from '../errors.ts'
import { RetryPolicy } from './retry-policy.ts'
import { watch } from './watch.ts'
import type { Received, WatchEvent } from './watch.ts'

/** Messages, in the order in which they come; `DISCARD` is a bad one, an error ends the stream. */
type Stream = readonly (string | Error)[]

const DISCARD = 'discard'

const failure = (code: WorkloadApiErrorCode): WorkloadApiError => new WorkloadApiError(code, code)

const repeat = (times: number, code: WorkloadApiErrorCode): Stream[] =>
  Array.from({ length: times }, () => [failure(code)])

async function* play(stream: Stream): AsyncGenerator<Received<string>, void> {
  for (const step of stream) {
    if (typeof step !== 'string') throw step
    yield step === DISCARD
      ? { ok: false, error: failure('invalid-message') }
      : { ok: true, message: { value: step, problems: [] } }
  }
}

/** Plays the streams one after the other, without waiting, and tells what the watch made of them. */
async function events(
  streams: readonly Stream[],
  { random = (): number => 1 } = {},
): Promise<{ heard: string[]; waits: number[]; thrown: unknown }> {
  const ending = new AbortController()
  const remaining = [...streams]
  const heard: string[] = []
  const waits: number[] = []
  const watching = watch(
    () => {
      const stream = remaining.shift()
      if (stream === undefined) ending.abort(new WorkloadApiError('aborted', 'the play is over'))
      ending.signal.throwIfAborted()
      return play(stream ?? [])
    },
    {
      retry: new RetryPolicy({}, random),
      signal: ending.signal,
      wait: async (ms) => {
        waits.push(Math.round(ms))
      },
    },
  )
  try {
    for await (const event of watching) heard.push(describeEvent(event))
  } catch (thrown) {
    return { heard, waits, thrown }
  }
  throw new Error('a watch does not end by itself')
}

function describeEvent(event: WatchEvent<string>): string {
  if (event.type === 'message') return event.message.value
  return `${event.type}: ${event.error?.code ?? 'clean'}`
}

describe('a watch', () => {
  test('opens the stream again at once after a clean end', async () => {
    const { heard, waits } = await events([['a'], ['b']])
    expect(heard).toEqual(['a', 'interrupted: clean', 'b', 'interrupted: clean'])
    for (const wait of waits) expect(wait).toBeLessThanOrEqual(100)
  })

  test('backs off from streams that end cleanly but bring nothing', async () => {
    const { waits } = await events([[], [], []])
    expect(waits).toEqual([200, 400, 800])
  })

  test('backs off from streams that bring nothing good', async () => {
    const { heard, waits } = await events([[DISCARD], [DISCARD]])
    expect(heard).toEqual([
      'discarded: invalid-message',
      'interrupted: clean',
      'discarded: invalid-message',
      'interrupted: clean',
    ])
    expect(waits).toEqual([200, 400])
  })

  test('waits longer from failure to failure, and at most a second and a half', async () => {
    const { waits } = await events(repeat(8, 'unavailable'))
    expect(waits).toEqual([200, 400, 800, 1_500, 1_500, 1_500, 1_500, 1_500])
  })

  test('never waits longer than half a second for an endpoint to come back', async () => {
    const { waits } = await events(repeat(5, 'unreachable'))
    expect(waits).toEqual([200, 400, 500, 500, 500])
  })

  test('waits between one and ten seconds while there is no identity', async () => {
    const denials = repeat(6, 'no-identity')
    expect((await events(denials)).waits).toEqual([2_000, 4_000, 8_000, 10_000, 10_000, 10_000])
    expect((await events(denials, { random: () => 0 })).waits).toEqual(Array(6).fill(1_000))
  })

  test('forgets past failures at the first message', async () => {
    const fails = [failure('unavailable')]
    const { waits } = await events([fails, fails, ['a', failure('unavailable')], fails])
    expect(waits).toEqual([200, 400, 200, 400])
  })

  test('does not let an outage count against an agent that has come back', async () => {
    const outage = repeat(9, 'unreachable')
    const { waits } = await events([...outage, [failure('unavailable')]])
    expect(waits.at(-1)).toBe(200)
  })

  test('never retries what the endpoint calls invalid', async () => {
    const { heard, waits, thrown } = await events([['a', failure('invalid-request')], ['b']])
    expect(heard).toEqual(['a'])
    expect(waits).toEqual([])
    expect(thrown).toMatchObject({ code: 'invalid-request' })
  })

  test('does not retry what nobody has foreseen, nor call it an answer of the endpoint', async () => {
    const unforeseen = new TypeError('decode is not a function')
    const { heard, waits, thrown } = await events([['a', unforeseen], ['b']])
    expect(heard).toEqual(['a'])
    expect(waits).toEqual([])
    expect(thrown).toMatchObject({ name: 'WorkloadApiError', code: 'internal', cause: unforeseen })
  })

  test('retries a call of which no status says why it failed', async () => {
    const { heard } = await events([[failure('internal')], ['b']])
    expect(heard).toEqual(['interrupted: internal', 'b', 'interrupted: clean'])
  })

  test('ends with the reason of its signal', async () => {
    expect((await events([])).thrown).toMatchObject({ code: 'aborted' })
  })

  test('cuts a wait short when its signal aborts', async () => {
    const ending = new AbortController()
    const watching = watch(() => play([]), {
      retry: new RetryPolicy({ initialMs: 60_000, maxMs: 60_000 }),
      signal: ending.signal,
    })
    expect((await watching.next()).value).toMatchObject({ type: 'interrupted', retryInMs: 60_000 })
    const next = watching.next()
    ending.abort(new WorkloadApiError('aborted', 'enough'))
    await expect(next).rejects.toMatchObject({ code: 'aborted' })
  })
})

describe('a retry policy', () => {
  test.each([
    { initialMs: 49 },
    { initialMs: Number.NaN },
    { initialMs: 200, maxMs: 100 },
    { deniedInitialMs: 0 },
    { deniedMaxMs: 2 ** 31 },
  ])('refuses %j', (options) => {
    expect(() => new RetryPolicy(options)).toThrow(
      expect.objectContaining({ code: 'invalid-option' }),
    )
  })

  test('refuses an option that it does not know', () => {
    const misspelt = { initialMs: 100, maximumMs: 100 }
    expect(() => new RetryPolicy(misspelt)).toThrow(
      expect.objectContaining({ code: 'unknown-option' }),
    )
  })
})
