import { SpiffeError } from '@fastify-spiffe/spiffe'
import { describe, expect, test } from '@jest/globals'
import * as fc from 'fast-check'
import { outcomeOf } from './support/own-error.ts'
import { linesOf } from './support/report.ts'
import { entry } from './support/run-target.ts'
import type { Clock } from './support/clock.ts'
import { ACCEPTED, type Report, type Run, type Target } from './support/target.ts'

const RUN: Run = { inputs: 200, seed: 1 }

function fuzzing(read: Target<Uint8Array>['read'], run: Run = RUN): Promise<Report> {
  const target: Target<Uint8Array> = {
    inputs: fc.uint8Array({ maxLength: 20 }),
    read,
    bytesOf: (bytes) => bytes,
    [Symbol.asyncDispose]: () => Promise.resolve(),
  }
  return entry('sample', 1, () => target).fuzz(run)
}

const refusing = (bytes: Uint8Array): string => {
  if (bytes.includes(0xfe)) throw new TypeError('of no package')
  return ACCEPTED
}

/** A clock that stands still but for what is spent. */
class Spending implements Clock {
  #elapsed = 0
  #processor = 0
  readonly elapsedMs = () => this.#elapsed
  readonly processorMs = () => this.#processor

  compute(ms: number): void {
    this.wait(ms)
    this.#processor += ms
  }

  wait(ms: number): void {
    this.#elapsed += ms
  }
}

describe('a run of a target', () => {
  test('counts what is accepted, and what is refused by which code', async () => {
    const report = await fuzzing((bytes) => (bytes.length > 5 ? 'too-long' : ACCEPTED))
    const [accepted = 0, tooLong = 0] = [ACCEPTED, 'too-long'].map((it) => report.outcomes.get(it))
    expect(accepted).toBeGreaterThan(0)
    expect(tooLong).toBeGreaterThan(0)
    expect(accepted + tooLong).toBe(RUN.inputs)
    expect(report.findings).toEqual([])
    expect(linesOf(report)[0]).toMatch(/^sample: 200 inputs \(.*too-long \d+.*seed 1$/)
  })

  test('finds an error of another class, and shows the shrunk input and the way back to it', async () => {
    const report = await fuzzing(refusing, { inputs: 5_000, seed: 1 })
    const [finding = ''] = report.findings
    expect(finding).toContain('TypeError: of no package')
    expect(finding).toMatch(/, 1 bytes: fe$/m)
    const [, path = ''] = /--seed 1 --path (\S+) sample$/m.exec(finding) ?? []
    const again = await fuzzing(refusing, { inputs: 5_000, seed: 1, path })
    expect(again.findings[0]).toMatch(/, 1 bytes: fe$/m)
  })

  test('finds what takes more than ten milliseconds each time', async () => {
    const clock = new Spending()
    const report = await fuzzing(
      () => {
        clock.compute(11)
        return ACCEPTED
      },
      { ...RUN, clock },
    )
    expect(report.findings[0]).toContain('takes 11.0 ms, more than 10.0')
  })

  test('takes what was slow once for what it is when it is read again', async () => {
    const clock = new Spending()
    let isFirst = true
    const report = await fuzzing(
      () => {
        clock.compute(isFirst ? 30 : 2)
        isFirst = false
        return ACCEPTED
      },
      { ...RUN, clock },
    )
    expect(report.findings).toEqual([])
    expect(report.slowestMs).toBe(2)
  })

  test('counts the work, not the wait for a turn', async () => {
    const clock = new Spending()
    const report = await fuzzing(
      () => {
        clock.compute(3)
        clock.wait(100)
        return ACCEPTED
      },
      { ...RUN, clock },
    )
    expect(report.findings).toEqual([])
    expect(report.slowestMs).toBe(3)
  })

  test('gives a machine more time that is slow with other work too', async () => {
    const clock = new Spending()
    // Every look at the clock costs: as if whatever is done between two of them took three times as long as it should.
    const slow: Clock = {
      elapsedMs() {
        clock.compute(3)
        return clock.elapsedMs()
      },
      processorMs: clock.processorMs,
    }
    const taking = (ms: number): Promise<Report> =>
      fuzzing(
        () => {
          clock.compute(ms)
          return ACCEPTED
        },
        // Each is read again and again, and so is the reference.
        { inputs: 20, seed: 1, clock: slow },
      )
    expect((await taking(20)).findings).toEqual([])
    expect((await taking(40)).findings).toHaveLength(1)
  })

  test.each([
    ['PEM', '-----BEGIN PRIVATE KEY-----'],
    ['base64', Buffer.alloc(60, 7).toString('base64')],
    ['hexadecimal', Buffer.alloc(60, 7).toString('hex')],
  ])('finds an error whose cause quotes %s', async (_what, quoted) => {
    const report = await fuzzing(() =>
      outcomeOf(SpiffeError, () => {
        throw new SpiffeError('invalid-key', 'no key', { cause: new Error(`is ${quoted}`) })
      }),
    )
    expect(report.findings[0]).toContain('quotes material')
  })

  test('finds memory that is left behind', async () => {
    const kept: Buffer[] = []
    const report = await fuzzing(() => {
      kept.push(Buffer.alloc(1024 * 1024))
      return ACCEPTED
    })
    expect(report.findings.join('\n')).toContain('left behind')
    expect(kept.length).toBeGreaterThan(64)
  })
})
