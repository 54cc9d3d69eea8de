import { setImmediate } from 'node:timers/promises'

import { mintRootCa } from '@fastify-spiffe/authority'
import type { MintedCa } from '@fastify-spiffe/authority'
import { TrustDomain, verifyX509Svid } from '@fastify-spiffe/spiffe'
import type { RejectedEvent } from '@fastify-spiffe/spiffe'
import { WorkloadApiClient, X509Source } from '@fastify-spiffe/workload-api'
import type { X509SourceOptions } from '@fastify-spiffe/workload-api'
import { status } from '@grpc/grpc-js'
import { afterEach, beforeAll, beforeEach, describe, expect, test } from '@jest/globals'

import {
  answerAll,
  BACKOFF,
  openingError,
  openSource,
  sendUpdate,
} from '@fastify-spiffe-test/kit/agent-source'
import { Published } from '@fastify-spiffe-test/kit/published'
import { ScriptedAgent } from '@fastify-spiffe-test/kit/scripted-agent'
import type { AgentCall, Reply } from '@fastify-spiffe-test/kit/scripted-agent'
import { svidFields } from '@fastify-spiffe-test/kit/workload-messages'
import type { SvidFields } from '@fastify-spiffe-test/kit/workload-messages'

const WEB = 'spiffe://example.org/web'
const API = 'spiffe://example.org/api'
const OTHER = 'spiffe://other.test'
const MINUTE_MS = 60_000
const own = TrustDomain.parse('example.org')

let authority: MintedCa
let foreign: MintedCa
let web: SvidFields
let api: SvidFields
let agent: ScriptedAgent
let source: X509Source
let call: AgentCall
let rejected: Published<RejectedEvent>

/** When what waits becomes valid: at a whole second, as certificates say it; all else is valid then too. */
const LATER = Math.floor(Date.now() / 1000) * 1000 + 30 * MINUTE_MS
const later = (): { notBefore: number } => ({ notBefore: LATER })
/**
 * The time by which the source judges. It stands still, a little before {@link LATER}: the source waits
 * for so long, and again until the test moves it. Farther away, it would look once a second.
 */
const SOON = LATER - 20
let now: number
/** How often the source has looked. */
let looks: number
const clock = (): number => {
  looks++
  return now
}

beforeAll(async () => {
  authority = await mintRootCa('example.org')
  foreign = await mintRootCa('other.test')
  web = await svidFields(authority, WEB)
  api = await svidFields(authority, API)
})

beforeEach(async () => {
  now = SOON
  looks = 0
  agent = await ScriptedAgent.listen()
  rejected = new Published('spiffe:svid:rejected', agent.address)
})

afterEach(async () => {
  rejected[Symbol.dispose]()
  await source?.close()
  await agent[Symbol.asyncDispose]()
})

async function open(message: Reply, options: X509SourceOptions = {}): Promise<void> {
  ;({ source, call } = await openSource(agent, message, { clock, ...options }))
}

async function send(message: Reply): Promise<void> {
  await sendUpdate({ source, call }, message)
}

async function until(holds: () => boolean): Promise<void> {
  while (!holds()) await source.nextUpdate()
}

/** Waits until the source has found some times that it is not time yet. */
async function untilLooked(): Promise<void> {
  const before = looks
  await untilSaid(() => looks >= before + 6)
}

/** Waits for what is no update: another error in the same state. */
async function untilSaid(holds: () => boolean): Promise<void> {
  while (!holds()) await setImmediate()
}

/** Sends a message that is refused, whereupon the source looks at the clock. */
async function sendGarbage(): Promise<void> {
  const { length } = codes()
  call.send({ svids: [{ ...web, x509Svid: Buffer.from('garbage') }] })
  await untilSaid(() => codes().length > length)
}

const codes = (): string[] => rejected.events.map(({ code }) => code)
const presented = (): string | undefined => source.svid?.spiffeId.toString()
const serial = (fields: { svid: X509Source['svid'] }): string | undefined =>
  fields.svid?.leaf.serialNumber
const stateAndCode = () => [source.state, source.error?.code ?? null]

describe('an SVID that is not valid yet', () => {
  test('is waited for at the start, and presented when its time has come', async () => {
    const fields = await svidFields(authority, WEB, { template: later() })
    let isOpen = false
    const opening = open({ svids: [fields] }).then(() => (isOpen = true))
    await untilSaid(() => codes().length === 1)
    await untilLooked()
    expect(isOpen).toBe(false)
    now = LATER
    await opening
    expect(stateAndCode()).toEqual(['ready', null])
    expect(codes()).toEqual(['not-yet-valid'])
    expect(agent.calls).toHaveLength(1)
  })

  test('is what open names when its time does not come within timeoutMs', async () => {
    const fields = await svidFields(authority, WEB, { template: later() })
    void answerAll(agent, (each) => each.send({ svids: [fields] }))
    const error = await openingError({ address: agent.address })
    expect(error).toMatchObject({ code: 'not-yet-valid' })
  })

  test('is not waited for any more once the signal aborts', async () => {
    const controller = new AbortController()
    const opening = X509Source.open({ address: agent.address, signal: controller.signal })
    const stream = await agent.nextCall()
    stream.send({ svids: [await svidFields(authority, WEB, { template: later() })] })
    controller.abort()
    await expect(opening).rejects.toMatchObject({ code: 'aborted' })
    await stream.cancelled
  })

  test('leaves the last one in its place, while the bundles and lists that came with it count at once', async () => {
    await open({ svids: [web] })
    const before = source.svid
    const successor = await mintRootCa('example.org')
    const bundle = Buffer.concat([authority.der, successor.der])
    const fields = await svidFields(successor, WEB, { template: later(), bundle })
    const crl = [await foreign.mintRevocationList()]
    await send({ svids: [fields], federatedBundles: { [OTHER]: foreign.der }, crl })

    expect(source.svid).toBe(before)
    expect(source.svids).toEqual([before])
    expect(stateAndCode()).toEqual(['stale', 'not-yet-valid'])
    const peer = (await successor.mint(API)).toX509Svid()
    expect(verifyX509Svid(peer.certificates, source.bundles).ok).toBe(true)
    const federated = source.bundles.get(TrustDomain.parse('other.test'))
    expect(federated?.revocationLists).toHaveLength(1)

    now = LATER
    await source.nextUpdate()
    expect(source.svid?.equals(before!)).toBe(false)
    expect(source.svids).toEqual([source.svid])
    expect(stateAndCode()).toEqual(['ready', null])
    expect(codes()).toEqual(['not-yet-valid'])
    expect(agent.calls).toHaveLength(1)
  })

  test('is never presented before, and exactly once told of', async () => {
    await open({ svids: [web] })
    const seen: [time: number, serialNumber: string | undefined][] = []
    source.onUpdate(() => seen.push([now, serial(source)]))
    const before = serial(source)
    call.send({ svids: [await svidFields(authority, WEB, { template: later() })] })
    await untilSaid(() => codes().length === 1)
    await untilLooked()
    now = LATER
    await until(() => serial(source) !== before)
    expect(seen.map(([time, number]) => [time >= LATER, number === before])).toEqual([
      [false, true],
      [true, false],
    ])
  })

  test('may have an intermediate that is not valid yet', async () => {
    await open({ svids: [web] })
    const intermediate = await authority.mintCa(later())
    const fields = await svidFields(intermediate, WEB, { bundle: authority.der })
    await send({ svids: [fields] })
    expect(stateAndCode()).toEqual(['stale', 'not-yet-valid'])
    now = LATER
    await source.nextUpdate()
    expect(source.svid?.certificates).toHaveLength(2)
    expect(source.state).toBe('ready')
  })

  test('may have an authority that is not valid yet, whose peers are let in when it is', async () => {
    await open({ svids: [web] })
    const successor = await mintRootCa('example.org', later())
    await send({ svids: [await svidFields(successor, WEB)] })
    expect(stateAndCode()).toEqual(['stale', 'not-yet-valid'])
    expect(source.bundles.get(own)?.authorities).toHaveLength(1)
    const peer = (await successor.mint(API)).toX509Svid()
    const verdict = () => verifyX509Svid(peer.certificates, source.bundles, { clock })
    expect(verdict()).toMatchObject({ ok: false, code: 'not-yet-valid' })
    now = LATER
    await source.nextUpdate()
    expect(source.state).toBe('ready')
    expect(verdict().ok).toBe(true)
  })

  test('waits no longer than for the first path that is good', async () => {
    await open({ svids: [web] })
    const far = await authority.mintCa({ notBefore: LATER + 20 * MINUTE_MS })
    const near = await svidFields(authority, WEB, {
      template: { ...later(), chain: (chain) => [...chain, far.der] },
    })
    await send({ svids: [near] })
    now = LATER
    await source.nextUpdate()
    expect(source.state).toBe('ready')
  })

  test.each([
    ['its signature', { corruptSignature: true }, 'untrusted-svid'],
    ['its key', { mismatchedKey: true }, 'key-mismatch'],
    ['its uses', { keyUsage: ['keyCertSign'] as const }, 'invalid-svid'],
    ['its end', { notAfter: LATER - MINUTE_MS }, 'untrusted-svid'],
  ])(
    'is refused with its whole message when %s is wrong besides',
    async (_what, template, code) => {
      now = LATER - 2 * MINUTE_MS
      await open({ svids: [web] })
      const bundles = source.bundles
      const bundle = Buffer.concat([authority.der, foreign.der])
      const fields = await svidFields(authority, WEB, {
        template: { ...later(), ...template },
        bundle,
      })
      await send({ svids: [fields] })
      expect(codes()).toEqual([code])
      expect(source.bundles).toBe(bundles)
    },
  )

  test('does not make a message good of which a mandatory field is empty', async () => {
    await open({ svids: [web] })
    const fields = await svidFields(authority, WEB, { template: later() })
    const bundles = source.bundles
    await send({
      svids: [fields, { ...api, bundle: Buffer.alloc(0) }],
      federatedBundles: { [OTHER]: foreign.der },
    })
    expect(codes()).toEqual(['invalid-message'])
    expect(source.bundles).toBe(bundles)
  })

  test('is not replaced by the last one of another SPIFFE ID, which is gone', async () => {
    await open({ svids: [web] })
    await send({ svids: [await svidFields(authority, API, { template: later() })] })
    expect(source.svid).toBe(null)
    expect(stateAndCode()).toEqual(['starting', 'not-yet-valid'])
    now = LATER
    await source.nextUpdate()
    expect(presented()).toBe(API)
  })

  test('does not revive the last one when that expires meanwhile', async () => {
    const notAfter = LATER - MINUTE_MS
    now = notAfter - 20
    await open({ svids: [await svidFields(authority, WEB, { template: { notAfter } })] })
    await send({ svids: [await svidFields(authority, WEB, { template: later() })] })
    now = notAfter + 1000
    await until(() => source.state === 'expired')
    expect(source.svid).toBe(null)
    // It was overdue: the source has called again.
    call = await agent.nextCall()
    now = SOON
    await sendGarbage()
    now = LATER
    await until(() => presented() === WEB)
    expect(source.svid?.notAfter).toBeGreaterThan(notAfter)
  })
})

describe('of several SVIDs', () => {
  test('the second does not take the place of the first while that waits', async () => {
    const waiting = await svidFields(authority, WEB, { template: later() })
    const opening = X509Source.open({ address: agent.address, backoff: BACKOFF, clock })
    call = await agent.nextCall()
    call.send({ svids: [waiting, api] })
    call.send({ svids: [waiting, api], federatedBundles: { [OTHER]: foreign.der } })
    now = LATER
    source = await opening
    expect(presented()).toBe(WEB)
    expect(source.svids).toHaveLength(2)
  })

  test('a later one joins the others when its time has come', async () => {
    await open({ svids: [web, await svidFields(authority, API, { template: later() })] })
    expect(stateAndCode()).toEqual(['ready', null])
    expect(source.svids).toHaveLength(1)
    now = LATER
    await source.nextUpdate()
    expect(source.svids.map(({ spiffeId }) => spiffeId.toString())).toEqual([WEB, API])
    expect(presented()).toBe(WEB)
  })

  test.each<[string, NonNullable<X509SourceOptions['pick']>]>([
    ['its SPIFFE ID', API],
    ['its hint', { hint: 'internal' }],
    ['a function', (svids) => svids.find(({ hint }) => hint === 'internal')],
  ])('the one that is picked by %s is waited for', async (_how, pick) => {
    const waiting = await svidFields(authority, API, { template: later(), hint: 'internal' })
    const opening = X509Source.open({ address: agent.address, backoff: BACKOFF, clock, pick })
    call = await agent.nextCall()
    call.send({ svids: [web, waiting] })
    now = LATER
    source = await opening
    expect(presented()).toBe(API)
  })

  test('a function that picks is not shown those that wait while others will do', async () => {
    const shown: number[] = []
    const pick: X509SourceOptions['pick'] = (svids) => {
      shown.push(svids.length)
      return svids.at(-1)
    }
    await open({ svids: [web, await svidFields(authority, API, { template: later() })] }, { pick })
    expect(presented()).toBe(WEB)
    now = LATER
    await until(() => presented() === API)
    expect(shown).toEqual([1, 2])
  })
})

async function wait(): Promise<void> {
  await open({ svids: [web] })
  await send({ svids: [await svidFields(authority, WEB, { template: later() })] })
  expect(stateAndCode()).toEqual(['stale', 'not-yet-valid'])
}

describe('while an SVID waits', () => {
  test('a newer message takes its place', async () => {
    await wait()
    const newer = await svidFields(authority, WEB)
    await send({ svids: [newer] })
    const current = serial(source)
    expect(stateAndCode()).toEqual(['ready', null])
    now = LATER
    // A message later, nothing of the one that waited has come back.
    await send({ svids: [newer], federatedBundles: { [OTHER]: foreign.der } })
    expect(serial(source)).toBe(current)
  })

  test('a newer message that is malformed does not', async () => {
    await wait()
    const current = serial(source)
    await sendGarbage()
    now = LATER
    await until(() => serial(source) !== current)
    expect(stateAndCode()).toEqual(['ready', null])
  })

  test('PermissionDenied takes it away', async () => {
    await wait()
    call.fail(status.PERMISSION_DENIED)
    await until(() => source.state === 'denied')
    now = LATER
    const again = await agent.nextCall()
    again.send({ svids: [api] })
    await until(() => source.state === 'ready')
    expect(presented()).toBe(API)
  })

  test('the stream may end: its time comes all the same, and the state tells of the stream', async () => {
    await wait()
    await agent.kill()
    await untilSaid(() => source.error?.code === 'unreachable')
    const current = serial(source)
    now = LATER
    await until(() => serial(source) !== current)
    expect(stateAndCode()).toEqual(['stale', 'unreachable'])
  })

  test('the source may be closed, which ends the stream', async () => {
    await wait()
    const { svid } = source
    await source.close()
    await call.cancelled
    now = LATER
    expect([source.svid, source.state]).toEqual([svid, 'closed'])
  })
})

describe('a clock that is set', () => {
  test('back does not take away what is presented, nor what the agent sends again', async () => {
    await open({ svids: [web] })
    const { svid } = source
    now -= 2 * 60 * MINUTE_MS
    await send({ svids: [web], federatedBundles: { [OTHER]: foreign.der } })
    expect(source.svid).toBe(svid)
    expect(source.state).toBe('ready')
  })

  test('back behind the end of an SVID that was refused lets it in, with its bundles', async () => {
    await open({ svids: [web] })
    now += 2 * 60 * MINUTE_MS
    const bundle = Buffer.concat([authority.der, (await mintRootCa('example.org')).der])
    call.send({ svids: [await svidFields(authority, API, { bundle })] })
    await untilSaid(() => codes().length === 1)
    expect(codes()).toEqual(['invalid-svid'])
    expect(source.bundles.get(own)?.authorities).toHaveLength(1)
    now = SOON
    await sendGarbage()
    await until(() => presented() === API)
    expect(source.bundles.get(own)?.authorities).toHaveLength(2)
    expect(stateAndCode()).toEqual(['ready', null])
  })

  test('back and forward again while an SVID waits only moves its time', async () => {
    await open({ svids: [web] })
    const current = serial(source)
    await send({ svids: [await svidFields(authority, WEB, { template: later() })] })
    const successor = await svidFields(authority, WEB, { template: later() })
    now -= 60 * MINUTE_MS
    await send({ svids: [successor], federatedBundles: { [OTHER]: foreign.der } })
    expect(serial(source)).toBe(current)
    now = SOON
    await send({ svids: [successor] })
    await untilLooked()
    expect(serial(source)).toBe(current)
    now = LATER
    await until(() => serial(source) !== current)
    expect(source.state).toBe('ready')
  })

  test('far away is waited for without a busy timer: setTimeout takes 2^31 ms at most', async () => {
    const notBefore = Date.now() + 40 * 24 * 60 * MINUTE_MS
    const notAfter = notBefore + MINUTE_MS
    const long = await mintRootCa('example.org', { notAfter: notAfter + MINUTE_MS })
    const fields = await svidFields(long, WEB, { template: { notBefore, notAfter } })
    void answerAll(agent, (each) => each.send({ svids: [fields] }))
    const error = await openingError({ address: agent.address, clock })
    expect(error).toMatchObject({ code: 'not-yet-valid' })
    expect(looks).toBeLessThan(50)
  })
})

describe('a client', () => {
  test('gives its watcher an SVID when its time has come', async () => {
    await using client = new WorkloadApiClient({ address: agent.address, backoff: BACKOFF, clock })
    const problems: string[] = []
    const watching = client.watchX509Context({ onProblem: ({ code }) => problems.push(code) })
    const first = watching.next()
    const stream = await agent.nextCall()
    stream.send({ svids: [await svidFields(authority, WEB, { template: later() }), api] })
    now = LATER
    expect((await first).value?.svids).toHaveLength(2)
    // Leaving in the middle ends the stream.
    await watching.return()
    await stream.cancelled
    expect(problems.every((code) => code === 'not-yet-valid')).toBe(true)
  })

  test('whose watcher leaves while an SVID waits ends the stream', async () => {
    await using client = new WorkloadApiClient({ address: agent.address, backoff: BACKOFF })
    const watching = client.watchX509Context()
    const first = watching.next()
    const stream = await agent.nextCall()
    stream.send({ svids: [web, await svidFields(authority, API, { template: later() })] })
    expect((await first).value?.svids).toHaveLength(1)
    await watching.return()
    await stream.cancelled
  })

  test('says of a fetch that the SVID is not valid yet', async () => {
    await using client = new WorkloadApiClient({ address: agent.address })
    const fetching = client.fetchX509Context()
    ;(await agent.nextCall()).send({
      svids: [await svidFields(authority, WEB, { template: later() })],
    })
    await expect(fetching).rejects.toMatchObject({ code: 'not-yet-valid' })
  })
})
