import { setImmediate as turn } from 'node:timers/promises'
import { mintRootCa } from '@fastify-spiffe/authority'
import type { MintedCa } from '@fastify-spiffe/authority'
import { afterEach, beforeAll, beforeEach, expect, test } from '@jest/globals'

import { WorkloadApiError } from '../errors.ts'
import { ManualTime } from '../manual-time.test.helper.ts'
import { readX509Message } from '../messages/x509-message.ts'
import { Review } from './review.ts'
import { reviewed } from './reviewed.ts'
import type { ReviewedEvent } from './reviewed.ts'
import type { WatchEvent } from './watch.ts'

const WEB = 'spiffe://example.org/web'
const SECOND_MS = 1_000
const HOUR_MS = 3_600_000

let authority: MintedCa
let time: ManualTime
let ending: AbortController
let running: Promise<unknown>

beforeAll(async () => {
  const { now } = new ManualTime()
  authority = await mintRootCa('example.org', {
    notBefore: now - 100 * HOUR_MS,
    notAfter: now + 100 * HOUR_MS,
  })
})

beforeEach(() => {
  time = new ManualTime()
  ending = new AbortController()
})

afterEach(async () => {
  ending.abort(new WorkloadApiError('closed', 'the test is over'))
  await running
  expect(time.delays).toEqual([])
})

/** A message whose only SVID is valid between two times. */
async function messageOf(notBefore: number, notAfter: number): Promise<Review> {
  const minted = await authority.mint(WEB, { notBefore, notAfter })
  const svid = {
    spiffeId: WEB,
    x509Svid: minted.certificates,
    x509SvidKey: minted.privateKey,
    bundle: authority.der,
    hint: '',
  }
  const message = { svids: [svid], crl: [], federatedBundles: new Map<string, Buffer>() }
  return new Review(readX509Message(message), time.now)
}

/** The events of a stream that brings one message and then nothing, as they come. */
function follow(value: Review): string[] {
  async function* watch(signal: AbortSignal): AsyncGenerator<WatchEvent<Review>, void> {
    const { outcome } = value
    if (outcome.ok) yield { type: 'message', message: { value, problems: [] } }
    else yield { type: 'discarded', error: outcome.error, value }
    await new Promise((resolve) => signal.addEventListener('abort', resolve))
  }
  const heard: string[] = []
  const collect = async (): Promise<void> => {
    const { clock, setTimer } = time
    for await (const event of reviewed(watch, { clock, setTimer, signal: ending.signal })) {
      heard.push(describeEvent(event))
    }
  }
  running = collect()
  return heard
}

function describeEvent(event: ReviewedEvent): string {
  if (event.type === 'message' || event.type === 'reviewed') {
    const waits = event.message.value.svids.map(({ wait }) => (wait === null ? 'valid' : 'waits'))
    return [event.type, ...waits].join(' ')
  }
  return `${event.type} ${event.error?.code ?? null}`
}

/** Lets time pass, and the watch do what it does then. */
async function pass(ms: number): Promise<void> {
  time.pass(ms)
  while (time.delays.length === 0) await turn()
}

test('an SVID that is not valid yet is judged again at the very millisecond', async () => {
  const notBefore = time.now + 5 * SECOND_MS
  time.pass(250)
  const heard = follow(await messageOf(notBefore, notBefore + HOUR_MS))
  await pass(0)
  for (let seconds = 0; seconds < 4; seconds++) {
    expect(time.delays).toEqual([SECOND_MS])
    await pass(SECOND_MS)
  }
  expect(time.delays).toEqual([750])
  await pass(749)
  expect(heard).toEqual(['message waits'])
  time.pass(1)
  while (heard.length < 2) await turn()
  expect(heard).toEqual(['message waits', 'reviewed valid'])
})

test('a clock that is set forward while an SVID waits is noticed within a second', async () => {
  const heard = follow(await messageOf(time.now + 80 * HOUR_MS, time.now + 90 * HOUR_MS))
  await pass(0)
  for (let seconds = 0; seconds < 5; seconds++) {
    expect(time.delays).toEqual([SECOND_MS])
    await pass(SECOND_MS)
  }
  expect(heard).toEqual(['message waits'])
  time.set(time.now + 81 * HOUR_MS)
  time.pass(SECOND_MS)
  while (heard.length < 2) await turn()
  expect(heard).toEqual(['message waits', 'reviewed valid'])
})

test('a clock that is set back behind the end of a refused SVID is noticed within a second', async () => {
  const heard = follow(await messageOf(time.now - 2 * HOUR_MS, time.now - HOUR_MS))
  await pass(0)
  expect(time.delays).toEqual([SECOND_MS])
  await pass(SECOND_MS)
  expect(heard).toEqual(['discarded invalid-svid'])
  time.set(time.now - 1.5 * HOUR_MS)
  time.pass(SECOND_MS)
  while (heard.length < 2) await turn()
  expect(heard).toEqual(['discarded invalid-svid', 'reviewed valid'])
})
