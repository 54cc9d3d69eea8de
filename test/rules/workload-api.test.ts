import { generateKeyPairSync } from 'node:crypto'
import { mintRootCa } from '@fastify-spiffe/authority'
import type { MintedCa, SvidTemplate } from '@fastify-spiffe/authority'
import { TrustDomain } from '@fastify-spiffe/spiffe'
import type { BundleUpdatedEvent, RejectedEvent, SvidUpdatedEvent } from '@fastify-spiffe/spiffe'
import { LIMITS, WorkloadApiClient, X509Source } from '@fastify-spiffe/workload-api'
import type { WorkloadApiError, X509Context, X509SourceOptions } from '@fastify-spiffe/workload-api'
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
import { svidFields, svidMessage } from '@fastify-spiffe-test/kit/workload-messages'
import type { SvidFields, SvidMessage } from '@fastify-spiffe-test/kit/workload-messages'

const WEB = 'spiffe://example.org/web'
const API = 'spiffe://example.org/api'
const OTHER = 'spiffe://other.test'

const own = TrustDomain.parse('example.org')
const other = TrustDomain.parse('other.test')

const { publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
const jwk = { ...publicKey.export({ format: 'jwk' }), kid: 'k1' }
const JWKS = Buffer.from(JSON.stringify({ keys: [jwk] }))

let authority: MintedCa
let foreign: MintedCa
let web: SvidFields
let api: SvidFields
let agent: ScriptedAgent
let source: X509Source
let call: AgentCall
let rejected: Published<RejectedEvent>
let rejectedBundles: Published<RejectedEvent>

beforeAll(async () => {
  authority = await mintRootCa('example.org')
  foreign = await mintRootCa('other.test')
  web = await svidFields(authority, WEB)
  api = await svidFields(authority, API)
})

beforeEach(async () => {
  agent = await ScriptedAgent.listen()
  rejected = new Published('spiffe:svid:rejected', agent.address)
  rejectedBundles = new Published('spiffe:bundle:rejected', agent.address)
})

afterEach(async () => {
  rejected[Symbol.dispose]()
  rejectedBundles[Symbol.dispose]()
  await source?.close()
  await agent[Symbol.asyncDispose]()
})

function listsOf({ bundles }: X509Context): Buffer[] {
  return [...bundles].flatMap(({ revocationLists }) => revocationLists.map(({ raw }) => raw))
}

async function open(message: Reply, options: X509SourceOptions = {}): Promise<void> {
  ;({ source, call } = await openSource(agent, message, options))
}

async function send(message: SvidMessage): Promise<void> {
  await sendUpdate({ source, call }, message)
}

/** Sends a bad message, and then a good one: when that has arrived, the bad one has been dealt with. */
async function sendBad(message: Reply): Promise<void> {
  const seen: (string | undefined)[] = []
  const unsubscribe = source.onUpdate(() => seen.push(source.svid?.leaf.serialNumber))
  const before = source.svid?.leaf.serialNumber
  call.send(message)
  const barrier = await svidMessage(authority, WEB)
  call.send(barrier)
  while (source.svid?.leaf.serialNumber === before) await source.nextUpdate()
  unsubscribe()
  // Until the barrier, nothing but the old SVID was ever presented.
  expect(seen.slice(0, -1).every((serialNumber) => serialNumber === before)).toBe(true)
}

const presented = (): string | undefined => source.svid?.spiffeId.toString()
const codes = (published: Published<RejectedEvent>): string[] =>
  published.events.map(({ code }) => code)
const authorities = (trustDomain: TrustDomain): Buffer[] | undefined =>
  source.bundles.get(trustDomain)?.authorities.map(({ raw }) => raw)

describe('the stream', () => {
  test('rule 65: it stays open, and rotations come over it', async () => {
    await open({ svids: [web] })
    for (let round = 0; round < 3; round += 1) {
      const before = source.svid?.leaf.serialNumber
      await send(await svidMessage(authority, WEB))
      expect(source.svid?.leaf.serialNumber).not.toBe(before)
    }
    expect(agent.calls).toHaveLength(1)
  })

  test('rule 65: when the agent ends it, it is opened again at once, and the SVID stays', async () => {
    // It is the first wait, which is 100 ms, and none of those after failures.
    await open({ svids: [web] }, { backoff: { ...BACKOFF, maxMs: 60_000 }, random: () => 1 })
    const before = source.svid
    const ended = performance.now()
    call.end()
    const again = await agent.nextCall()
    expect(again.at - ended).toBeLessThan(10_000)
    expect(source.svid).toBe(before)
    again.send({ svids: [web] })
    while (source.state !== 'ready') await source.nextUpdate()
    expect(source.svid).toBe(before)
  })

  test('rule 66: a message is a complete state, nothing of the one before is left', async () => {
    await open({ svids: [web, api], federatedBundles: { [OTHER]: foreign.der } })
    expect(source.svids).toHaveLength(2)
    expect(source.bundles.size).toBe(2)
    const next = await mintRootCa('example.org')
    await send(await svidMessage(next, WEB))
    expect(source.svids).toHaveLength(1)
    expect(source.bundles.size).toBe(1)
    expect(authorities(own)).toEqual([next.der])
  })

  test('rule 66: a message that repeats the state is no update', async () => {
    await open({ svids: [web], federatedBundles: { [OTHER]: foreign.der } })
    const { svid, bundles } = source
    let updates = 0
    source.onUpdate(() => (updates += 1))
    call.send({ svids: [web], federatedBundles: { [OTHER]: foreign.der } })
    await sendBad(Buffer.from([0xff]))
    expect(svid).not.toBe(source.svid)
    expect(bundles).not.toBe(source.bundles)
    // The bad message made it stale, the barrier ready again.
    expect(updates).toBe(2)
  })

  test('rule 67: a federated bundle that is absent is not trusted any more', async () => {
    await open({ svids: [web], federatedBundles: { [OTHER]: foreign.der } })
    expect(authorities(other)).toEqual([foreign.der])
    using published = new Published<BundleUpdatedEvent>('spiffe:bundle:updated', agent.address)
    await send({ svids: [web] })
    expect(source.bundles.get(other)).toBeUndefined()
    expect(published.events).toEqual([{ endpoint: agent.address, trustDomains: ['example.org'] }])
  })

  test('rule 67: an SVID that is absent is not presented any more', async () => {
    await open({ svids: [web, api] }, { pick: API })
    using published = new Published<SvidUpdatedEvent>('spiffe:svid:updated', agent.address)
    await send({ svids: [web] })
    expect(source.svid).toBeNull()
    expect(source.state).toBe('denied')
    expect(source.error?.code).toBe('no-match')
    expect(published.events).toEqual([{ endpoint: agent.address, svid: null }])
    await send({ svids: [web, api] })
    expect(presented()).toBe(API)
    expect(source.state).toBe('ready')
  })
})

describe('what is mandatory', () => {
  const EMPTY = Buffer.alloc(0)

  test.each([
    ['spiffe_id', { spiffeId: '' }],
    ['x509_svid', { x509Svid: EMPTY }],
    ['x509_svid_key', { x509SvidKey: EMPTY }],
    ['bundle', { bundle: EMPTY }],
  ])('rule 68: a message with an empty %s is discarded whole', async (_field, empty) => {
    await open({ svids: [web], federatedBundles: { [OTHER]: foreign.der } })
    const { svid, bundles } = source
    await send({ svids: [{ ...web, ...empty }, api] })
    expect(source.state).toBe('stale')
    expect(source.error?.code).toBe('invalid-message')
    expect(source.svid).toBe(svid)
    expect(source.bundles).toBe(bundles)
    await sendBad({ svids: [api, { ...web, ...empty }] })
    expect(codes(rejected)).toEqual(['invalid-message', 'invalid-message'])
    expect(source.state).toBe('ready')
  })

  test('rule 68: bytes that are no message are discarded', async () => {
    await open({ svids: [web] })
    await sendBad(Buffer.from('not protobuf'))
    expect(codes(rejected)).toEqual(['invalid-message'])
  })

  test('rule 69: a message without an SVID is discarded', async () => {
    await open({ svids: [web] })
    await sendBad({ svids: [], federatedBundles: { [OTHER]: foreign.der } })
    expect(codes(rejected)).toEqual(['invalid-message'])
    expect(source.bundles.get(other)).toBeUndefined()
  })

  test('rule 69: without any good message there is no source, and the error says why', async () => {
    void answerAll(agent, (each) => each.send({ svids: [] }))
    const error = await openingError({ address: agent.address })
    expect(error).toMatchObject({ code: 'invalid-message' })
  })

  test('rule 70: a hint is optional', async () => {
    await open({ svids: [{ ...web, hint: 'internal' }, api] })
    expect(source.svids.map(({ hint }) => hint)).toEqual(['internal', ''])
  })
})

describe('the encoding', () => {
  test('rule 71: an SVID is concatenated DER, leaf first, with its intermediates', async () => {
    const intermediate = await authority.mintCa()
    const fields = await svidFields(intermediate, WEB, { bundle: authority.der })
    await open({ svids: [fields] })
    expect(source.svid?.certificates).toHaveLength(2)
    expect(Buffer.concat(source.svid?.certificates.map(({ raw }) => raw) ?? [])).toEqual(
      fields.x509Svid,
    )
  })

  test('rule 71: a bundle is concatenated DER', async () => {
    const second = await mintRootCa('example.org')
    await open({ svids: [{ ...web, bundle: Buffer.concat([second.der, authority.der]) }] })
    expect(authorities(own)).toEqual([second.der, authority.der])
  })

  test('rule 71: PEM is refused', async () => {
    await open({ svids: [web] })
    const minted = await authority.mint(WEB)
    const pem = { ...web, x509Svid: Buffer.from(minted.certificatesPem) }
    await sendBad({ svids: [pem] })
    await sendBad({ svids: [{ ...web, x509SvidKey: Buffer.from(minted.privateKeyPem) }] })
    await sendBad({ svids: [{ ...web, bundle: Buffer.from(authority.certificatePem) }] })
    expect(codes(rejected)).toEqual(['invalid-svid', 'invalid-svid', 'invalid-bundle'])
  })
})

describe('bundles', () => {
  test('rule 72: federated bundles are keyed by the SPIFFE ID of their trust domain', async () => {
    await open({
      svids: [web],
      federatedBundles: {
        [OTHER]: foreign.der,
        'bare.test': foreign.der,
        'spiffe://path.test/a': foreign.der,
        'spiffe://UPPER.test': foreign.der,
      },
    })
    expect([...source.bundles].map(({ trustDomain }) => trustDomain.name)).toEqual([
      'example.org',
      'other.test',
    ])
    expect(codes(rejectedBundles)).toEqual(Array(3).fill('invalid-bundle'))
  })

  test('rule 72: a federated bundle never replaces the own one', async () => {
    await open({ svids: [web], federatedBundles: { 'spiffe://example.org': foreign.der } })
    expect(authorities(own)).toEqual([authority.der])
    expect(codes(rejectedBundles)).toEqual(['invalid-bundle'])
  })

  test('rule 72: SVIDs of one trust domain that disagree about its bundle are discarded', async () => {
    await open({ svids: [web] })
    const second = await mintRootCa('example.org')
    const disagreeing = await svidFields(second, API)
    await sendBad({ svids: [web, disagreeing] })
    expect(codes(rejected)).toEqual(['conflicting-bundles'])
    expect(authorities(own)).toEqual([authority.der])
  })

  test('rule 72: SVIDs of two trust domains each bring their own bundle', async () => {
    const theirs = await svidFields(foreign, `${OTHER}/web`)
    await open({ svids: [web, theirs] })
    expect(authorities(own)).toEqual([authority.der])
    expect(authorities(other)).toEqual([foreign.der])
    expect(source.svids).toHaveLength(2)
  })

  test('a bad federated bundle makes its own trust domain untrusted, and nothing else', async () => {
    await open({
      svids: [web],
      federatedBundles: { [OTHER]: foreign.der, 'spiffe://bad.test': Buffer.from('garbage') },
    })
    expect(source.state).toBe('ready')
    expect(authorities(other)).toEqual([foreign.der])
    expect(source.bundles.get(TrustDomain.parse('bad.test'))).toBeUndefined()
    expect(codes(rejectedBundles)).toEqual(['invalid-bundle'])
  })

  test('rule 78: other revocation lists are other bundles, and one that is not used spoils nothing', async () => {
    const message = { svids: [web], federatedBundles: { [OTHER]: foreign.der } }
    await open(message)
    const [before, federated] = [source.bundles, source.bundles.get(other)]
    const updated = source.nextUpdate()
    const list = await authority.mintRevocationList({ revoked: ['01'] })
    call.send({ ...message, crl: [Buffer.from('junk'), list] })
    await updated
    expect(source.state).toBe('ready')
    expect(source.bundles.equals(before)).toBe(false)
    expect(source.bundles.get(own)?.revocationLists.map(({ raw }) => raw)).toEqual([list])
    expect(source.bundles.get(other)).toBe(federated)
    expect(codes(rejectedBundles)).toEqual(['invalid-revocation-list'])
    const redacted = source.nextUpdate()
    call.send(message)
    await redacted
    expect(source.bundles.equals(before)).toBe(true)
  })

  test('an empty federated bundle is a bundle without authorities', async () => {
    await open({ svids: [web], federatedBundles: { [OTHER]: Buffer.alloc(0) } })
    expect(authorities(other)).toEqual([])
    expect(codes(rejectedBundles)).toEqual([])
  })
})

describe('several SVIDs', () => {
  test('rule 73: of two SVIDs with the same hint, the first wins', async () => {
    await open({
      svids: [
        { ...web, hint: 'a' },
        { ...api, hint: 'a' },
        { ...api, hint: 'b' },
      ],
    })
    expect(source.svids.map(({ spiffeId, hint }) => [spiffeId.toString(), hint])).toEqual([
      [WEB, 'a'],
      [API, 'b'],
    ])
  })

  test('rule 73: the later one does not win because the first one is bad', async () => {
    const bad = { ...api, x509Svid: Buffer.from('garbage'), hint: 'a' }
    await open({ svids: [web, bad, { ...api, hint: 'a' }] })
    expect(source.svids.map(({ spiffeId }) => spiffeId.toString())).toEqual([WEB])
  })

  test('rule 73: a hint of 1024 bytes is good, and one byte more is not', async () => {
    await open({
      svids: [web, { ...api, hint: 'é'.repeat(512) }, { ...api, hint: `${'é'.repeat(512)}a` }],
    })
    expect(source.svids).toHaveLength(2)
    expect(codes(rejected)).toEqual(['invalid-svid'])
  })

  test('rule 74: the first SVID is the default identity', async () => {
    await open({ svids: [web, api] })
    expect(presented()).toBe(WEB)
    await send({ svids: [api, web] })
    expect(presented()).toBe(API)
  })

  test.each<[string, NonNullable<X509SourceOptions['pick']>]>([
    ['its SPIFFE ID', API],
    ['its hint', { hint: 'internal' }],
    ['a function', (svids) => svids.at(-1)],
  ])('rule 74: another SVID can be picked by %s', async (_how, pick) => {
    await open({ svids: [web, { ...api, hint: 'internal' }] }, { pick })
    expect(presented()).toBe(API)
  })

  test('a bad SVID is left out, and does not take down a good one before it', async () => {
    const bad = { ...api, x509Svid: Buffer.from('garbage') }
    await open({ svids: [web, bad] })
    expect(source.svids.map(({ spiffeId }) => spiffeId.toString())).toEqual([WEB])
    expect(codes(rejected)).toEqual(['invalid-svid'])
    expect(source.state).toBe('ready')
  })

  test('a good SVID does not become the default identity because the first one is bad', async () => {
    await open({ svids: [web] })
    await sendBad({ svids: [{ ...web, x509Svid: Buffer.from('garbage') }, api] })
    expect(codes(rejected)).toEqual(['invalid-svid'])
  })

  test('the picked SVID is kept when the new one is bad', async () => {
    await open({ svids: [web, api] }, { pick: API })
    const before = source.svid
    await send({ svids: [web, { ...api, x509Svid: Buffer.from('garbage') }] })
    expect(source.svid).toBe(before)
    expect(source.state).toBe('stale')
  })
})

describe('PermissionDenied in mid-life', () => {
  test('rule 75: the SVID is not presented any more, until the identity returns', async () => {
    await open({ svids: [web] })
    const updated = source.nextUpdate()
    call.fail(status.PERMISSION_DENIED, 'no identity issued')
    await updated
    expect(source.svid).toBeNull()
    expect(source.svids).toEqual([])
    expect(source.state).toBe('denied')
    ;(await agent.nextCall()).fail(status.PERMISSION_DENIED, 'no identity issued')
    ;(await agent.nextCall()).send({ svids: [web] })
    while (source.state !== 'ready') await source.nextUpdate()
    expect(presented()).toBe(WEB)
  })

  test('rule 75: it also counts when it meets the stream that is opened again', async () => {
    await open({ svids: [web] })
    call.fail(status.UNAVAILABLE)
    ;(await agent.nextCall()).fail(status.PERMISSION_DENIED)
    while (source.state !== 'denied') await source.nextUpdate()
    expect(source.svid).toBeNull()
  })

  test('rule 75: an outage that follows does not bring the SVID back', async () => {
    await open({ svids: [web] })
    call.fail(status.PERMISSION_DENIED)
    const again = await agent.nextCall()
    again.fail(status.UNAVAILABLE)
    await agent.nextCall()
    expect(source.state).toBe('denied')
    expect(source.svid).toBeNull()
  })
})

describe('bundles without an SVID', () => {
  test('rule 76: X.509-SVIDs and X.509 bundles are asked for, and nothing of JWT is used', async () => {
    const jwks = Buffer.from(JSON.stringify({ keys: [] }))
    await open({ svids: [web], federatedBundles: { [OTHER]: jwks } })
    expect(source.bundles.get(other)).toBeUndefined()
    expect(agent.calls.map(({ method }) => method)).toEqual(['FetchX509SVID'])
  })

  test('rule 77: the bundles of all trust domains are fetched at once', async () => {
    await using client = new WorkloadApiClient({ address: agent.address })
    const fetching = client.fetchX509Bundles()
    const fetched = await agent.nextCall()
    fetched.send({
      crl: [Buffer.from('a list')],
      bundles: { 'spiffe://example.org': authority.der, [OTHER]: foreign.der },
    })
    const bundles = await fetching
    expect(bundles.get(own)?.authorities.map(({ raw }) => raw)).toEqual([authority.der])
    expect(bundles.get(other)?.authorities.map(({ raw }) => raw)).toEqual([foreign.der])
    await fetched.cancelled
  })

  test('rule 77: a message without a bundle is refused', async () => {
    await using client = new WorkloadApiClient({ address: agent.address })
    const fetching = client.fetchX509Bundles()
    ;(await agent.nextCall()).send({ bundles: {} })
    await expect(fetching).rejects.toMatchObject({ code: 'invalid-message' })
  })

  test('rule 77: a watch goes on after a message without a bundle, and after an end', async () => {
    await using client = new WorkloadApiClient({ address: agent.address, backoff: BACKOFF })
    const problems: WorkloadApiError[] = []
    const watch = client.watchX509Bundles({ onProblem: (problem) => problems.push(problem) })
    const first = watch.next()
    const stream = await agent.nextCall()
    stream.send({ bundles: {} })
    stream.send({ bundles: { 'spiffe://example.org': authority.der } })
    expect((await first).value?.size).toBe(1)
    const second = watch.next()
    stream.end()
    ;(await agent.nextCall()).send({
      bundles: { 'spiffe://example.org': authority.der, [OTHER]: foreign.der },
    })
    expect((await second).value?.size).toBe(2)
    expect(problems.map(({ code }) => code)).toEqual(['invalid-message'])
    await watch.return()
  })

  test('rule 76: JWT bundles are fetched apart from those for X.509-SVIDs', async () => {
    await using client = new WorkloadApiClient({ address: agent.address })
    const fetching = client.fetchJwtBundles()
    const fetched = await agent.nextCall()
    expect(fetched.method).toBe('FetchJWTBundles')
    const bundles = { 'spiffe://example.org': JWKS, [OTHER]: Buffer.from('{"keys":[]}') }
    fetched.send({ bundles })
    const set = await fetching
    expect(set.get(own)?.authorities.map(({ keyId }) => keyId)).toEqual(['k1'])
    expect(set.get(other)?.authorities).toEqual([])
    await fetched.cancelled
  })

  test('rule 67: a watch of JWT bundles keeps nothing of a former message, and goes on after a bad one', async () => {
    await using client = new WorkloadApiClient({ address: agent.address, backoff: BACKOFF })
    const problems: WorkloadApiError[] = []
    const watch = client.watchJwtBundles({ onProblem: (problem) => problems.push(problem) })
    const first = watch.next()
    const stream = await agent.nextCall()
    stream.send({ bundles: { 'spiffe://example.org': JWKS, [OTHER]: JWKS } })
    expect((await first).value?.size).toBe(2)
    const second = watch.next()
    stream.send({ bundles: {} })
    stream.send({ bundles: { 'spiffe://example.org': Buffer.from('{}') } })
    stream.send({ bundles: { 'spiffe://example.org/web': JWKS } })
    stream.send({ bundles: { 'spiffe://example.org': JWKS, [OTHER]: Buffer.from('{') } })
    const { value: bundles } = await second
    expect(bundles?.size).toBe(1)
    expect(bundles?.get(own)?.find('k1')).toBeDefined()
    expect(problems.map(({ code }) => code)).toEqual([
      'invalid-message',
      'invalid-message',
      'invalid-message',
      'invalid-bundle',
    ])
    await watch.return()
  })

  test('rule 78: revocation lists are optional, and go to the bundle of whoever signed them', async () => {
    await using client = new WorkloadApiClient({ address: agent.address })
    const list = await authority.mintRevocationList()
    const fetching = client.fetchX509Context()
    ;(await agent.nextCall()).send({ svids: [web], crl: [list, Buffer.from('junk')] })
    expect(listsOf(await fetching)).toEqual([list])
    const again = client.fetchX509Context()
    ;(await agent.nextCall()).send({ svids: [web] })
    expect(listsOf(await again)).toEqual([])
  })
})

describe('the own SVID', () => {
  const hour = 3_600_000

  test.each<[string, string, SvidTemplate]>([
    ['with a bad signature', 'untrusted-svid', { corruptSignature: true }],
    ['signed by itself', 'untrusted-svid', { signedBy: 'self' }],
    ['that has expired', 'invalid-svid', { notAfter: Date.now() - hour }],
    ['that is a CA', 'invalid-svid', { ca: true }],
    ['with keyCertSign', 'invalid-svid', { keyUsage: ['digitalSignature', 'keyCertSign'] }],
    ['with two URIs', 'invalid-svid', { uris: [WEB, API] }],
    ['with another scheme', 'invalid-svid', { uris: ['https://example.org/web'] }],
    ['with the key of another', 'key-mismatch', { mismatchedKey: true }],
    ['that is not what spiffe_id says', 'invalid-svid', { uris: [API] }],
    ['that is not valid yet', 'not-yet-valid', { notBefore: Date.now() + hour / 2 }],
  ])('%s is refused, and the last good one is kept', async (_what, code, template) => {
    await open({ svids: [web] })
    await sendBad(await svidMessage(authority, WEB, { template }))
    expect(codes(rejected)).toEqual([code])
    expect(presented()).toBe(WEB)
    expect(source.state).toBe('ready')
  })

  test('that is signed by the authority of another trust domain is refused', async () => {
    await open({ svids: [web], federatedBundles: { [OTHER]: foreign.der } })
    const forged = await svidFields(foreign, WEB, { bundle: authority.der })
    await sendBad({ svids: [forged], federatedBundles: { [OTHER]: foreign.der } })
    expect(codes(rejected)).toEqual(['untrusted-svid'])
  })

  test('is refused at the start too, and the error says why', async () => {
    const bad = await svidMessage(authority, WEB, { template: { mismatchedKey: true } })
    void answerAll(agent, (each) => each.send(bad))
    const error = await openingError({ address: agent.address })
    expect(error).toMatchObject({ code: 'key-mismatch' })
  })

  test('leaves no key in events or errors', async () => {
    await open({ svids: [web] })
    const bad = await svidMessage(authority, WEB, { template: { mismatchedKey: true } })
    await send(bad)
    const key = bad.svids[0]?.x509SvidKey ?? Buffer.alloc(1)
    const said = JSON.stringify([rejected.events, source.error, source]) + String(source.error)
    for (const encoding of ['base64', 'hex', 'latin1'] as const) {
      expect(said).not.toContain(key.subarray(-32).toString(encoding))
    }
  })
})

describe('limits', () => {
  test.each<[string, () => SvidMessage]>([
    ['SVIDs', () => ({ svids: Array<SvidFields>(LIMITS.svids + 1).fill(web) })],
    [
      'bundles',
      () => ({
        svids: [web],
        federatedBundles: Object.fromEntries(
          Array.from({ length: LIMITS.bundles }, (_, index) => [
            `spiffe://domain-${index}.test`,
            foreign.der,
          ]),
        ),
      }),
    ],
    [
      'bytes of a bundle',
      () => ({
        svids: [web],
        federatedBundles: { [OTHER]: Buffer.alloc(LIMITS.bundleBytes + 1) },
      }),
    ],
  ])('a message with too many %s is refused, and the last state is kept', async (_what, make) => {
    await open({ svids: [web] })
    await sendBad(make())
    expect(codes(rejected)).toEqual(['limit-exceeded'])
  })

  test('a message at the limits is good', async () => {
    await open({
      svids: Array<SvidFields>(LIMITS.svids).fill(web),
      federatedBundles: Object.fromEntries(
        Array.from({ length: LIMITS.bundles - LIMITS.svids }, (_, index) => [
          `spiffe://domain-${index}.test`,
          foreign.der,
        ]),
      ),
    })
    expect(source.svids).toHaveLength(LIMITS.svids)
    expect(source.bundles.size).toBe(LIMITS.bundles - LIMITS.svids + 1)
  })

  test('a small message that would grow large is refused before it is decoded', async () => {
    await open({ svids: [web] })
    await sendBad(Buffer.alloc(2 * (LIMITS.fields + 1), Buffer.from([0x0a, 0x00])))
    expect(codes(rejected)).toEqual(['limit-exceeded'])
  })

  test('a message of more than 64 MiB ends the stream, and the last state is kept', async () => {
    await open({ svids: [web] })
    const { svid } = source
    const updated = source.nextUpdate()
    call.send(Buffer.alloc(LIMITS.messageBytes + 1))
    await updated
    expect(source.state).toBe('stale')
    expect(source.error?.code).toBe('limit-exceeded')
    expect(source.svid).toBe(svid)
    ;(await agent.nextCall()).send({ svids: [web] })
    while (source.state !== 'ready') await source.nextUpdate()
  })
})

describe('a client', () => {
  test('fetches the SVIDs and the bundles, and lets the stream go', async () => {
    await using client = new WorkloadApiClient({ address: agent.address })
    const fetching = client.fetchX509Context()
    const stream = await agent.nextCall()
    stream.send({ svids: [web, api], federatedBundles: { [OTHER]: foreign.der } })
    const { svids, bundles } = await fetching
    expect(svids.map(({ spiffeId }) => spiffeId.toString())).toEqual([WEB, API])
    expect(bundles.size).toBe(2)
    await stream.cancelled
  })

  test.each([
    [status.PERMISSION_DENIED, 'no-identity'],
    [status.INVALID_ARGUMENT, 'invalid-request'],
    [status.UNIMPLEMENTED, 'unimplemented'],
    [status.UNAVAILABLE, 'unavailable'],
    [status.INTERNAL, 'unavailable'],
  ])('reports status %d of a fetch as %s, without a retry', async (code, expected) => {
    await using client = new WorkloadApiClient({ address: agent.address })
    const fetching = client.fetchX509Context()
    ;(await agent.nextCall()).fail(code)
    await expect(fetching).rejects.toMatchObject({ code: expected })
    expect(agent.calls).toHaveLength(1)
  })

  test('reports a stream that ends without a message', async () => {
    await using client = new WorkloadApiClient({ address: agent.address })
    const fetching = client.fetchX509Context()
    ;(await agent.nextCall()).end()
    await expect(fetching).rejects.toMatchObject({ code: 'unavailable' })
  })

  test('reports a socket that is not there', async () => {
    await agent.kill()
    await using client = new WorkloadApiClient({ address: agent.address })
    await expect(client.fetchX509Context()).rejects.toMatchObject({ code: 'unreachable' })
  })

  test('gives a fetch up when its time is up, or its signal aborts', async () => {
    await using client = new WorkloadApiClient({ address: agent.address })
    // A busy machine may need more time to call at all.
    for (let timeoutMs = 50; agent.calls.length === 0; timeoutMs *= 4) {
      const slow = client.fetchX509Context({ timeoutMs })
      await expect(slow).rejects.toMatchObject({ code: 'timeout' })
    }
    const controller = new AbortController()
    const aborted = client.fetchX509Bundles({ signal: controller.signal })
    await agent.nextCall()
    const second = await agent.nextCall()
    controller.abort()
    await expect(aborted).rejects.toMatchObject({ code: 'aborted' })
    await second.cancelled
  })

  test('watches until its signal aborts', async () => {
    await using client = new WorkloadApiClient({ address: agent.address, backoff: BACKOFF })
    const controller = new AbortController()
    const watch = client.watchX509Context({ signal: controller.signal })
    const first = watch.next()
    const stream = await agent.nextCall()
    stream.send({ svids: [web] })
    expect((await first).value?.svids).toHaveLength(1)
    const second = watch.next()
    controller.abort()
    await expect(second).rejects.toMatchObject({ code: 'aborted' })
    await stream.cancelled
  })

  test('ends every call when it is closed, and takes no other', async () => {
    const client = new WorkloadApiClient({ address: agent.address })
    const fetching = client.fetchX509Context()
    const first = client.watchX509Bundles().next()
    await agent.nextCall()
    await agent.nextCall()
    await client.close()
    await client.close()
    await expect(fetching).rejects.toMatchObject({ code: 'closed' })
    await expect(first).rejects.toMatchObject({ code: 'closed' })
    await expect(client.fetchX509Context()).rejects.toMatchObject({ code: 'closed' })
  })
})
