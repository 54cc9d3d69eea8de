import { HeldTimers } from '@fastify-spiffe-test/kit/held-timers'
import { mintRootCa, type MintedCa, type MintedCertificate } from '@fastify-spiffe/authority'
import { afterEach, beforeAll, beforeEach, describe, expect, test } from '@jest/globals'
import {
  bundleOf,
  Endpoint,
  lookup,
  mintWebPki,
  open,
  PARTNER,
  record,
} from './endpoint.test.helper.ts'
import { Federation, type FederationOptions, type FollowOptions } from './index.ts'

let ca: string
let localhost: MintedCertificate
let partner: MintedCa
let next: MintedCa
let endpoint: Endpoint

beforeAll(async () => {
  ;({ ca, localhost } = await mintWebPki())
  partner = await mintRootCa(PARTNER)
  next = await mintRootCa(PARTNER)
})

beforeEach(async () => {
  endpoint = await Endpoint.serve(localhost)
  endpoint.send(bundleOf([partner], { sequence: 5n }).stringify())
})

afterEach(() => endpoint[Symbol.asyncDispose]())

const followed = (change: Partial<FollowOptions> = {}): FollowOptions => ({
  trustDomain: PARTNER,
  url: endpoint.url(),
  profile: 'https_web',
  ca,
  ...change,
})

const following = (options: Partial<FederationOptions> = {}): Promise<Federation> =>
  open({ trustDomains: [followed()], ...options })

const EVENTS = ['federation:updated', 'federation:failed', 'federation:recovered']

describe('what is held', () => {
  test('rule 46: is never replaced by a bundle of a lower sequence', async () => {
    await using federation = await following()
    const held = federation.bundles
    endpoint.send(bundleOf([next], { sequence: 4n }).stringify())
    const after = await federation.refresh(PARTNER)
    expect(after).toMatchObject({ sequence: 5n, lastFailure: { code: 'older-sequence' } })
    expect(federation.bundles).toBe(held)
    endpoint.send(bundleOf([next], { sequence: 2n ** 64n + 1n }).stringify())
    expect((await federation.refresh(PARTNER)).sequence).toBe(2n ** 64n + 1n)
    endpoint.send(bundleOf([partner], { sequence: 2n ** 64n }).stringify())
    expect((await federation.refresh(PARTNER)).sequence).toBe(2n ** 64n + 1n)
    expect([...federation.bundles][0]?.has(next.certificate)).toBe(true)
  })

  test('is the same object until its authorities change, and listeners hear of changes alone', async () => {
    await using federation = await following()
    let count = 0
    federation.onUpdate(() => count++)
    const before = federation.bundles
    endpoint.send(bundleOf([partner], { sequence: 6n }).stringify())
    expect((await federation.refresh(PARTNER)).sequence).toBe(6n)
    expect([federation.bundles, count]).toEqual([before, 0])
    expect(federation.bundles).toBe(before)
    endpoint.send(bundleOf([partner, next], { sequence: 7n }).stringify())
    await federation.refresh(PARTNER)
    expect(count).toBe(1)
    expect([...federation.bundles][0]?.authorities).toHaveLength(2)
  })

  test('of one trust domain does not change with that of another', async () => {
    await using federation = await following()
    const [held] = federation.bundles
    await using other = await Endpoint.serve(localhost)
    const third = await mintRootCa('third.test')
    other.send(bundleOf([third]).stringify())
    await federation.follow(followed({ trustDomain: 'third.test', url: other.url() }))
    expect(federation.bundles.size).toBe(2)
    expect(federation.bundles.get(partner.trustDomain)).toBe(held)
    expect(federation.trustDomains.map(({ trustDomain }) => trustDomain.name)).toEqual([
      PARTNER,
      'third.test',
    ])
  })
})

describe('the state', () => {
  test('says when fetches fail, and when they succeed again, once', async () => {
    const events = record(...EVENTS)
    await using federation = await following()
    let count = 0
    federation.onUpdate(() => count++)
    const { answer } = endpoint
    endpoint.answer = (_request, response) => response.writeHead(503).end()
    await federation.refresh(PARTNER)
    expect(await federation.refresh(PARTNER)).toMatchObject({ state: 'stale', failures: 2 })
    expect([federation.state, federation.error?.code, count]).toEqual([
      'stale',
      'unexpected-status',
      1,
    ])
    endpoint.answer = answer
    expect(await federation.refresh(PARTNER)).toMatchObject({ state: 'ready', failures: 0 })
    expect([federation.state, federation.error, count]).toEqual(['ready', null, 2])
    expect(events.stop()).toMatchObject([
      { channel: 'updated', trustDomain: PARTNER, origin: 'fetched', sequence: 5n },
      { channel: 'failed', trustDomain: PARTNER, code: 'unexpected-status', failures: 1 },
      { channel: 'failed', failures: 2 },
      { channel: 'recovered', trustDomain: PARTNER, failures: 2 },
    ])
  })

  test('has the times of the last success, the last failure and the next fetch', async () => {
    let now = 1_800_000_000_000
    const timers = new HeldTimers()
    const options = { clock: () => now, setTimer: timers.setTimer }
    endpoint.send(bundleOf([partner], { refreshHintMs: 120_000 }).stringify())
    await using federation = await following(options)
    expect(federation.status(PARTNER)).toMatchObject({
      lastSuccessAt: now,
      lastFailure: null,
      nextRefreshAt: now + 120_000,
    })
    now += 120_000
    endpoint.answer = (_request, response) => response.writeHead(503).end()
    await federation.refresh(PARTNER)
    expect(federation.status(PARTNER)).toMatchObject({
      lastSuccessAt: now - 120_000,
      lastFailure: { code: 'unexpected-status', at: now },
      nextRefreshAt: now + 120_000,
    })
    expect(timers.delays).toEqual([120_000])
  })
})

describe('a fetch', () => {
  test('is made when the refresh hint is over, without anybody asking', async () => {
    const timers = new HeldTimers()
    endpoint.send(bundleOf([partner], { refreshHintMs: 120_000 }).stringify())
    await using federation = await following({ setTimer: timers.setTimer })
    endpoint.send(bundleOf([partner, next]).stringify())
    const updated = federation.nextUpdate()
    timers.fire(120_000)
    await updated
    expect(federation.status(PARTNER)?.x509Authorities).toBe(2)
  })

  test('that is asked for while another one runs begins after it, once for all who ask', async () => {
    await using federation = await following()
    endpoint.requests.length = 0
    const started = new Promise<() => void>((resolve) => {
      endpoint.answer = (_request, response) => resolve(() => void response.writeHead(500).end())
    })
    const running = federation.refresh(PARTNER)
    const finish = await started
    endpoint.send(bundleOf([partner, next], { sequence: 6n }).stringify())
    const waiting = [federation.refresh(PARTNER), federation.refresh(PARTNER)]
    finish()
    expect(await running).toMatchObject({ state: 'stale', x509Authorities: 1 })
    for (const each of await Promise.all(waiting)) expect(each.x509Authorities).toBe(2)
    expect(endpoint.requests).toHaveLength(2)
  })

  test('waits for its turn when as many run as may', async () => {
    const others = ['one.test', 'two.test', 'three.test']
    let running = 0
    let most = 0
    endpoint.answer = (_request, response) => {
      most = Math.max(most, ++running)
      setImmediate(() => {
        running--
        response.writeHead(200).end('{"keys":[]}')
      })
    }
    const trustDomains = others.map((trustDomain) => followed({ trustDomain }))
    await using federation = await open({ trustDomains, maxConcurrentFetches: 2 })
    expect(federation.trustDomains.map(({ state }) => state)).toEqual(['ready', 'ready', 'ready'])
    expect(most).toBeLessThanOrEqual(2)
  })
})

describe('a trust domain that is followed no more', () => {
  test('is not trusted from the moment of the call on, whatever is on its way', async () => {
    const events = record('federation:updated')
    await using federation = await following()
    const started = new Promise<() => void>((resolve) => {
      endpoint.answer = (_request, response) =>
        resolve(() => void response.end(bundleOf([partner, next], { sequence: 9n }).stringify()))
    })
    const running = federation.refresh(PARTNER)
    const finish = await started
    let count = 0
    federation.onUpdate(() => count++)
    const ended = federation.unfollow(PARTNER)
    expect([federation.bundles.size, federation.jwtBundles.size, count]).toEqual([0, 0, 1])
    expect(federation.status(PARTNER)).toBeNull()
    finish()
    await Promise.all([ended, running])
    expect([federation.bundles.size, count]).toEqual([0, 1])
    await expect(federation.refresh(PARTNER)).rejects.toMatchObject({ code: 'not-followed' })
    await federation.unfollow(PARTNER)
    expect(events.stop().at(-1)).toMatchObject({ trustDomain: PARTNER, origin: null })
  })

  test.each([undefined, null, 5, ['partner.test']])('is not named by %j', async (value) => {
    await using federation = await following()
    const trustDomain = value as unknown as string
    const refusal = { code: 'invalid-trust-domain' }
    await expect(federation.unfollow(trustDomain)).rejects.toMatchObject(refusal)
    await expect(federation.refresh(trustDomain)).rejects.toMatchObject(refusal)
    expect(() => federation.status(trustDomain)).toThrow(expect.objectContaining(refusal))
  })

  test('can be followed again', async () => {
    await using federation = await following()
    await expect(federation.follow(followed())).rejects.toMatchObject({ code: 'already-followed' })
    const ended = federation.unfollow(PARTNER)
    expect(await federation.follow(followed())).toMatchObject({ state: 'ready', sequence: 5n })
    await ended
    expect(federation.bundles.size).toBe(1)
  })
})

describe('open', () => {
  test('does not fail because of an endpoint that cannot be reached, and waits no longer than it may', async () => {
    endpoint.answer = () => {}
    const timers = new HeldTimers()
    const opening = Federation.open({
      trustDomains: [followed()],
      lookup,
      openTimeoutMs: 7000,
      setTimer: timers.setTimer,
    })
    while (!timers.delays.includes(7000)) await new Promise((resolve) => setImmediate(resolve))
    timers.fire(7000)
    await using federation = await opening
    expect(federation.status(PARTNER)).toMatchObject({ state: 'starting', bundle: null })
    expect(federation.state).toBe('ready')
  })

  test.each<[string, object]>([
    ['unknown-option', { trustdomains: [] }],
    ['invalid-option', { trustDomains: {} }],
    ['invalid-option', { directory: '' }],
    ['invalid-option', { source: {} }],
    ['invalid-option', { timeoutMs: 0 }],
    ['invalid-option', { openTimeoutMs: -1 }],
    ['invalid-option', { maxBundleBytes: 8 * 1024 * 1024 }],
    ['invalid-option', { maxConcurrentFetches: 0 }],
    ['invalid-option', { clock: 5 }],
  ])('refuses as %s: %j', async (code, options) => {
    await expect(Federation.open(options as FederationOptions)).rejects.toMatchObject({ code })
  })

  test('refuses a trust domain that is named twice', async () => {
    const trustDomains = [followed(), followed({ trustDomain: `spiffe://${PARTNER}` })]
    await expect(open({ trustDomains })).rejects.toMatchObject({ code: 'invalid-option' })
  })
})

describe('close', () => {
  test('ends fetches and waits; the bundles stay readable', async () => {
    const federation = await following()
    const wait = federation.nextUpdate().then(() => federation.nextUpdate())
    // Attended to from the start: it rejects while `close` is still at work.
    const ended = expect(wait).rejects.toMatchObject({ code: 'source-closed' })
    endpoint.answer = () => {}
    const running = federation.refresh(PARTNER)
    await federation.close()
    await running
    await ended
    expect([federation.state, federation.bundles.size]).toEqual(['closed', 1])
    await expect(federation.refresh(PARTNER)).rejects.toMatchObject({ code: 'closed' })
    await expect(federation.follow(followed())).rejects.toMatchObject({ code: 'closed' })
    await federation.close()
  })
})
