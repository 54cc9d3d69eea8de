import { Authority } from '@fastify-spiffe/authority'
import { SpiffeId } from '@fastify-spiffe/spiffe'
import type { JwtSvid } from '@fastify-spiffe/spiffe'
import { afterEach, beforeEach, expect, test } from '@jest/globals'

import { WorkloadApiError } from '../errors.ts'
import type { WorkloadApiErrorCode } from '../errors.ts'
import { ManualTime } from '../manual-time.test.helper.ts'
import type { TokenRequest } from '../messages/jwt-svids.ts'
import { TokenCache } from './token-cache.ts'

const WEB = SpiffeId.parse('spiffe://example.org/web')
const MINUTE_MS = 60_000
const ORDERS: TokenRequest = { audience: ['orders'], spiffeId: undefined }

/** A call of the Workload API that the test answers. */
interface Call {
  readonly request: TokenRequest
  /** By default a new token of four minutes. */
  answer(svid?: JwtSvid): JwtSvid
  fail(code: WorkloadApiErrorCode): void
}

let authority: Authority
let time: ManualTime
let calls: Call[]
let failures: WorkloadApiErrorCode[]
let cache: TokenCache

beforeEach(async () => {
  time = new ManualTime()
  // Its own timers stand still: the test moves the clock alone.
  const { clock } = time
  authority = await Authority.create({
    trustDomain: 'example.org',
    clock,
    setTimer: () => () => {},
  })
  calls = []
  failures = []
  cache = open(3)
})

afterEach(async () => {
  await authority.close()
  expect(time.delays).toEqual([])
})

function open(maxEntries: number): TokenCache {
  return new TokenCache({
    fetch: (request) =>
      new Promise((resolve, reject) => {
        calls.push({
          request,
          answer: (svid = issue(request)) => {
            resolve([svid])
            return svid
          },
          fail: (code) => reject(new WorkloadApiError(code, code)),
        })
      }),
    clock: time.clock,
    setTimer: time.setTimer,
    random: () => 1,
    backoff: { initialMs: 100, maxMs: 400 },
    maxEntries,
    onFailure: (_request, { code }) => failures.push(code),
  })
}

function issue({ audience }: TokenRequest): JwtSvid {
  return authority.jwt.issueJwtSvid(WEB, { audience, ttlMs: 4 * MINUTE_MS })
}

function failing(code: WorkloadApiErrorCode): object {
  return expect.objectContaining({ code })
}

/** Fetches a token and lets the call be answered. */
async function fetched(request: TokenRequest = ORDERS): Promise<JwtSvid> {
  const getting = cache.get(request)
  const svid = calls.at(-1)!.answer()
  expect(await getting).toEqual([svid])
  return svid
}

test('a token is fetched once, however many ask for it at a time', async () => {
  const asking = [cache.get(ORDERS), cache.get(ORDERS), cache.get(ORDERS)]
  expect(calls).toHaveLength(1)
  expect(cache.ready(ORDERS)).toBeUndefined()
  const svid = calls[0]!.answer()
  for (const svids of await Promise.all(asking)) expect(svids).toEqual([svid])
  expect(cache.ready(ORDERS)).toEqual([svid])
  expect(calls).toHaveLength(1)
})

test('identities and audiences have tokens of their own', async () => {
  await fetched()
  await fetched({ audience: ['orders'], spiffeId: WEB })
  await fetched({ audience: ['ledger', 'orders'], spiffeId: undefined })
  expect(calls).toHaveLength(3)
  // An audience may be any string, and none may be taken for a list or for an identity.
  const tricky: readonly string[][] = [
    ['a","b'],
    ['a', 'b'],
    [WEB.toString(), 'orders'],
    ['["orders"]'],
  ]
  for (const audience of tricky) await fetched({ audience, spiffeId: undefined })
  expect(calls).toHaveLength(7)
})

test('at half of its life a token is served at once, and renewed by one call meanwhile', async () => {
  const old = await fetched()
  time.pass(2 * MINUTE_MS - 1)
  expect(cache.ready(ORDERS)).toEqual([old])
  expect(calls).toHaveLength(1)
  time.pass(1)
  expect(cache.ready(ORDERS)).toEqual([old])
  expect(cache.ready(ORDERS)).toEqual([old])
  expect(await cache.get(ORDERS)).toEqual([old])
  expect(calls).toHaveLength(2)
  const renewing = cache.get({ ...ORDERS })
  const renewed = calls[1]!.answer()
  expect(await renewing).toEqual([old])
  expect(cache.ready(ORDERS)).toEqual([renewed])
})

test('a renewal that fails leaves the good token in use, is reported, and repeated after a wait', async () => {
  const old = await fetched()
  time.pass(2 * MINUTE_MS)
  cache.ready(ORDERS)
  calls[1]!.fail('unavailable')
  await Promise.resolve()
  expect(await cache.get(ORDERS)).toEqual([old])
  expect(failures).toEqual(['unavailable'])
  time.pass(199)
  expect(await cache.get(ORDERS)).toEqual([old])
  expect(calls).toHaveLength(2)
  time.pass(1)
  expect(await cache.get(ORDERS)).toEqual([old])
  expect(calls).toHaveLength(3)
  calls[2]!.answer()
})

test('shortly before a token expires its renewal is waited for, for a second at most', async () => {
  const old = await fetched()
  time.pass(3 * MINUTE_MS)
  expect(cache.ready(ORDERS)).toBeUndefined()
  const patient = cache.get(ORDERS)
  expect(time.delays).toEqual([1_000])
  time.pass(1_000)
  expect(await patient).toEqual([old])
  const served = cache.get(ORDERS)
  const renewed = calls[1]!.answer()
  expect(await served).toEqual([renewed])
  expect(calls).toHaveLength(2)
})

test('when a token expires while its renewal is waited for, the wait goes on', async () => {
  await fetched()
  time.pass(4 * MINUTE_MS - 1)
  const waiting = cache.get(ORDERS)
  time.pass(1_000)
  await Promise.resolve()
  const renewed = calls[1]!.answer()
  expect(await waiting).toEqual([renewed])
})

test('an expired token is never given out, also when the agent is gone', async () => {
  await fetched()
  time.pass(4 * MINUTE_MS)
  const getting = cache.get(ORDERS)
  calls[1]!.fail('unreachable')
  await expect(getting).rejects.toEqual(failing('unreachable'))
  await expect(cache.get(ORDERS)).rejects.toEqual(failing('unreachable'))
  expect(calls).toHaveLength(2)
  time.set(Number.NaN)
  expect(cache.ready(ORDERS)).toBeUndefined()
})

test('when the agent says that there is no such identity, its token is given up at once', async () => {
  await fetched()
  time.pass(2 * MINUTE_MS)
  cache.ready(ORDERS)
  calls[1]!.fail('no-identity')
  await Promise.resolve()
  await expect(cache.get(ORDERS)).rejects.toEqual(failing('no-identity'))
})

test('failures are repeated to those who ask, and the agent is asked at growing intervals', async () => {
  const waits: number[] = []
  for (let round = 0; round < 4; round++) {
    const getting = cache.get(ORDERS)
    calls[round]!.fail('unavailable')
    await expect(getting).rejects.toEqual(failing('unavailable'))
    let waited = 0
    while (calls.length === round + 1) {
      time.pass(100)
      waited += 100
      void cache.get(ORDERS).catch(() => {})
    }
    waits.push(waited)
  }
  expect(waits).toEqual([200, 400, 400, 400])
  calls[4]!.answer()
  await cache.get(ORDERS)
})

test('a clock that is set back does not prolong the wait after a failure', async () => {
  const getting = cache.get(ORDERS)
  calls[0]!.fail('unavailable')
  await expect(getting).rejects.toEqual(failing('unavailable'))
  time.set(time.now - MINUTE_MS)
  await fetched()
})

test('a token that comes beyond its half-life is kept all the same, for a quarter of what is left', async () => {
  const old = issue(ORDERS)
  time.pass(3 * MINUTE_MS)
  const getting = cache.get(ORDERS)
  calls[0]!.answer(old)
  expect(await getting).toEqual([old])
  time.pass(14_999)
  expect(cache.ready(ORDERS)).toEqual([old])
  expect(calls).toHaveLength(1)
  time.pass(1)
  expect(cache.ready(ORDERS)).toEqual([old])
  expect(calls).toHaveLength(2)
  calls[1]!.answer()
})

test('the cache is bounded: what was not asked for the longest goes, and no call under way does', async () => {
  const requests = ['a', 'b', 'c', 'd'].map((name) => ({ audience: [name], spiffeId: undefined }))
  for (const request of requests.slice(0, 3)) await fetched(request)
  cache.ready(requests[0]!)
  await fetched(requests[3])
  expect(cache.size).toBe(3)
  expect(cache.ready(requests[0]!)).toBeDefined()
  expect(cache.ready(requests[1]!)).toBeUndefined()

  cache = open(2)
  calls = []
  const [one, two] = [cache.get(requests[0]!), cache.get(requests[1]!)]
  await expect(cache.get(requests[2]!)).rejects.toEqual(failing('limit-exceeded'))
  for (const call of calls) call.answer()
  await Promise.all([one, two])
  await fetched(requests[2])
})

test('tokens of an authority that is gone are forgotten, and all are when there is no identity', async () => {
  const old = await fetched()
  cache.forgetSignedBy(({ keyId }) => keyId !== old.keyId)
  expect(cache.ready(ORDERS)).toEqual([old])
  cache.forgetSignedBy(({ keyId }) => keyId === old.keyId)
  expect(cache.ready(ORDERS)).toBeUndefined()
  const waiting = cache.get(ORDERS)
  cache.clear()
  const late = calls[1]!.answer()
  expect(await waiting).toEqual([late])
  expect(cache.ready(ORDERS)).toBeUndefined()
})
