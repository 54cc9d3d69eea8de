import { inspect } from 'node:util'
import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { Authority } from '@fastify-spiffe/authority'
import { TrustDomain } from '@fastify-spiffe/spiffe'
import type {
  JwtSvid,
  JwtSvidRequest,
  RejectedEvent,
  SourceStateEvent,
} from '@fastify-spiffe/spiffe'
import { JwtSource, WorkloadApiClient, WorkloadApiError } from '@fastify-spiffe/workload-api'
import type { JwtSourceOptions, JwtSvidFetchFailedEvent } from '@fastify-spiffe/workload-api'
import { status } from '@grpc/grpc-js'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from '@jest/globals'

import { BACKOFF } from '@fastify-spiffe-test/kit/agent-source'
import { Published } from '@fastify-spiffe-test/kit/published'
import { ScriptedAgent } from '@fastify-spiffe-test/kit/scripted-agent'
import type { AgentCall, Reply } from '@fastify-spiffe-test/kit/scripted-agent'

const WEB = 'spiffe://example.org/web'
const API = 'spiffe://example.org/api'
const ORDERS = { audience: 'orders' }

const own = TrustDomain.parse('example.org')
const other = TrustDomain.parse('other.test')

let authority: Authority
let foreign: Authority
let agent: ScriptedAgent
let source: JwtSource | undefined
let stream: AgentCall

beforeAll(async () => {
  authority = await Authority.create({ trustDomain: 'example.org' })
  foreign = await Authority.create({ trustDomain: 'other.test' })
})

afterAll(async () => {
  await Promise.all([authority.close(), foreign.close()])
})

beforeEach(async () => {
  agent = await ScriptedAgent.listen()
})

afterEach(async () => {
  await source?.close()
  source = undefined
  await agent[Symbol.asyncDispose]()
})

/** `JWTBundlesResponse`: the bundles of authorities, or what the test says. */
function bundles(...of: readonly (Authority | readonly [string, string])[]): Reply {
  const entries = of.map((each) =>
    each instanceof Authority
      ? [each.trustDomain.id.toString(), Buffer.from(each.jwt.bundle.toJwks())]
      : [each[0], Buffer.from(each[1])],
  )
  return { bundles: Object.fromEntries(entries) as Record<string, Buffer> }
}

/** One `JWTSVID` for the audience `orders`. */
function entry(spiffeId: string, more: object = {}): object {
  const svid = authority.jwt.mint(spiffeId, ORDERS)
  return { spiffeId, svid, hint: '', ...more }
}

async function open(message: Reply = bundles(authority), options: JwtSourceOptions = {}) {
  const opening = JwtSource.open({ address: agent.address, backoff: BACKOFF, ...options })
  stream = await agent.nextCall('FetchJWTBundles')
  stream.send(message)
  source = await opening
  return source
}

async function update(of: JwtSource, message: Reply): Promise<void> {
  const updated = of.nextUpdate()
  stream.send(message)
  await updated
}

/** Asks for a token and lets the agent answer. */
async function fetched(
  of: Pick<JwtSource, 'fetchJwtSvid'>,
  svids: readonly object[],
  request: JwtSvidRequest = ORDERS,
): Promise<JwtSvid> {
  const [svid, call] = await Promise.all([
    of.fetchJwtSvid(request),
    agent.nextCall('FetchJWTSVID').then((taken) => {
      taken.send({ svids })
      return taken
    }),
  ])
  expect(call.header).toEqual(['true'])
  return svid
}

function failing(code: string): object {
  return expect.objectContaining({ name: 'WorkloadApiError', code })
}

describe('the stream of JWT bundles', () => {
  test('rule 66: every message is a complete state, and a bundle that does not change keeps its object', async () => {
    const held = await open(bundles(authority, foreign))
    const bundle = held.jwtBundles.get(own)
    expect(bundle?.equals(authority.jwt.bundle)).toBe(true)
    expect(held.jwtBundles.get(other)?.equals(foreign.jwt.bundle)).toBe(true)
    await foreign.jwt.addAuthority()
    await update(held, bundles(authority, foreign))
    expect(held.jwtBundles.get(other)?.authorities).toHaveLength(2)
    expect(held.jwtBundles.get(own)).toBe(bundle)
    const before = held.jwtBundles
    stream.send(bundles(foreign, authority))
    await update(held, bundles(authority, [other.id.toString(), '{"keys":[]}']))
    expect(held.jwtBundles).not.toBe(before)
    expect(held.jwtBundles.get(own)).toBe(bundle)
  })

  test('rule 67: a bundle that is absent is withdrawn, and one without keys has no authority', async () => {
    const held = await open(bundles(authority, foreign))
    await update(held, bundles(authority, ['spiffe://other.test', '{"keys":[]}']))
    expect(held.jwtBundles.get(other)?.authorities).toEqual([])
    await update(held, bundles(authority))
    expect(held.jwtBundles.get(other)).toBeUndefined()
    expect(held.state).toBe('ready')
  })

  test('rule 68: a message without a bundle, or none that can be read, is discarded whole and reported', async () => {
    using rejected = new Published<RejectedEvent>('spiffe:jwt-bundle:rejected', agent.address)
    const held = await open(bundles(authority, foreign))
    const before = held.jwtBundles
    const bad = [{}, Buffer.from([0xff]), bundles(['spiffe://example.org', 'not JSON'])]
    for (const message of bad) {
      await update(held, message)
      expect([held.state, held.error?.code]).toEqual(['stale', 'invalid-message'])
      expect(held.jwtBundles).toBe(before)
      await update(held, bundles(authority, foreign))
      expect([held.state, held.error]).toEqual(['ready', null])
    }
    expect(rejected.events.map(({ code }) => code)).toEqual(Array(3).fill('invalid-message'))
  })

  test('rule 72: a bundle that is malformed or misnamed is left out and reported, the others are used', async () => {
    using rejected = new Published<RejectedEvent>('spiffe:jwt-bundle:rejected', agent.address)
    const jwks = foreign.jwt.bundle.toJwks()
    const bad: readonly (readonly [string, string])[] = [
      ['other.test', jwks],
      ['spiffe://other.test/path', jwks],
      ['spiffe://third.test', '{"keys":[],"keys":[]}'],
      ['spiffe://fourth.test', '{}'],
    ]
    const held = await open(bundles(authority, ...bad))
    expect([...held.jwtBundles].map(({ trustDomain }) => trustDomain.name)).toEqual(['example.org'])
    expect(rejected.events.map(({ code }) => code)).toEqual(Array(4).fill('invalid-bundle'))
    expect(held.state).toBe('ready')
  })

  test('rule 65: the stream is opened again when it ends, and the bundles stay meanwhile', async () => {
    using states = new Published<SourceStateEvent>('spiffe:jwt-source:state', agent.address)
    const held = await open()
    stream.end()
    stream = await agent.nextCall('FetchJWTBundles')
    expect(held.jwtBundles.get(own)).toBeDefined()
    await update(held, bundles(authority))
    stream.fail(status.UNAVAILABLE)
    stream = await agent.nextCall('FetchJWTBundles')
    expect([held.state, held.error?.code]).toEqual(['stale', 'unavailable'])
    expect(held.jwtBundles.get(own)).toBeDefined()
    await update(held, bundles(authority))
    expect(states.events.map(({ state }) => state)).toEqual([
      'ready',
      'stale',
      'ready',
      'stale',
      'ready',
    ])
  })

  test('rule 75: after PermissionDenied no bundle and no token is used, until the agent sends them again', async () => {
    const held = await open()
    await fetched(held, [entry(WEB)])
    const denied = held.nextUpdate()
    stream.fail(status.PERMISSION_DENIED)
    await denied
    expect([held.state, held.jwtBundles.size]).toEqual(['denied', 0])
    const asking = held.fetchJwtSvid(ORDERS)
    ;(await agent.nextCall('FetchJWTSVID')).fail(status.PERMISSION_DENIED)
    await expect(asking).rejects.toEqual(failing('no-identity'))
    stream = await agent.nextCall('FetchJWTBundles')
    await update(held, bundles(authority))
    expect([held.state, held.jwtBundles.size]).toEqual(['ready', 1])
  })

  test('rule 60: InvalidArgument is not retried, and the bundles stay', async () => {
    const held = await open()
    const failed = held.nextUpdate()
    stream.fail(status.INVALID_ARGUMENT)
    await failed
    expect([held.state, held.error?.code]).toEqual(['failed', 'invalid-request'])
    expect(held.jwtBundles.size).toBe(1)
  })

  test('open() says why there are no bundles, at once where waiting does not help', async () => {
    const problems: string[] = []
    const onProblem = ({ code }: WorkloadApiError): unknown => problems.push(code)
    const attempt = async (code: status, options: JwtSourceOptions = {}): Promise<unknown> => {
      const opening = JwtSource.open({
        address: agent.address,
        backoff: BACKOFF,
        onProblem,
        ...options,
      }).catch((error: unknown) => error)
      ;(await agent.nextCall('FetchJWTBundles')).fail(code)
      return opening
    }
    expect(await attempt(status.UNIMPLEMENTED)).toEqual(failing('unimplemented'))
    expect(await attempt(status.INVALID_ARGUMENT)).toEqual(failing('invalid-request'))
    const patience = new AbortController()
    const waiting = attempt(status.PERMISSION_DENIED, { signal: patience.signal })
    await agent.nextCall('FetchJWTBundles')
    patience.abort()
    expect(await waiting).toEqual(failing('aborted'))
    expect(problems).toContain('no-identity')
    await expect(JwtSource.open({ maxCachedTokens: 0 })).rejects.toEqual(failing('invalid-option'))
    const misspelt: object = { audience: 'orders' }
    await expect(JwtSource.open(misspelt)).rejects.toEqual(failing('unknown-option'))
  })
})

describe('FetchJWTSVID', () => {
  test('rule 79: the audience is mandatory, and the identity is asked for by its SPIFFE ID', async () => {
    const held = await open()
    for (const audience of ['', [], ['a', '']]) {
      await expect(held.fetchJwtSvid({ audience })).rejects.toEqual(failing('invalid-option'))
    }
    const request = { audience: ['orders', 'ledger', 'orders'], spiffeId: API }
    const asking = held.fetchJwtSvid(request)
    const call = await agent.nextCall('FetchJWTSVID')
    expect(call.request).toMatchObject({ audience: ['ledger', 'orders'], spiffeId: API })
    const svid = authority.jwt.mint(API, { audience: ['ledger', 'orders'] })
    call.send({ svids: [{ spiffeId: API, svid, hint: '' }] })
    expect((await asking).token).toBe(svid)
    await expect(held.fetchJwtSvid({ audience: 'a', spiffeId: 'web' })).rejects.toEqual(
      failing('invalid-option'),
    )
  })

  test('rule 74: the first SVID is the default identity, and a hint chooses another', async () => {
    const held = await open()
    const svids = [entry(WEB, { hint: 'internal' }), entry(API, { hint: 'external' })]
    expect((await fetched(held, svids)).spiffeId.toString()).toBe(WEB)
    const chosen = await held.fetchJwtSvid({ ...ORDERS, hint: 'external' })
    expect([chosen.spiffeId.toString(), chosen.hint]).toEqual([API, 'external'])
    await expect(held.fetchJwtSvid({ ...ORDERS, hint: 'none' })).rejects.toEqual(
      failing('no-match'),
    )
    expect(await held.fetchJwtSvids(ORDERS)).toHaveLength(2)
    expect(agent.calls.filter(({ method }) => method === 'FetchJWTSVID')).toHaveLength(1)
  })

  test('rule 73: of SVIDs with the same hint the first counts, and a hint has at most 1024 bytes', async () => {
    const held = await open()
    const hint = 'a'
    const svids = [
      entry(WEB, { hint }),
      entry(API, { hint }),
      entry(API, { hint: 'x'.repeat(1025) }),
    ]
    await fetched(held, svids)
    const all = await held.fetchJwtSvids(ORDERS)
    expect(all.map(({ spiffeId }) => spiffeId.toString())).toEqual([WEB])
  })

  test.each<[string, () => Reply, string]>([
    ['without SVIDs', () => ({ svids: [] }), 'invalid-message'],
    ['without a SPIFFE ID', () => ({ svids: [entry('', {})] }), 'invalid-message'],
    ['without a token', () => ({ svids: [entry(WEB, { svid: '' })] }), 'invalid-message'],
    ['that is no protobuf', () => Buffer.from([0xff]), 'invalid-message'],
    ['of too many SVIDs', () => ({ svids: Array(101).fill(entry(WEB)) }), 'limit-exceeded'],
    ['whose token is none', () => ({ svids: [entry(WEB, { svid: 'a.b.c' })] }), 'invalid-svid'],
    [
      'whose token is of another',
      () => ({ svids: [entry(WEB, { spiffeId: API })] }),
      'invalid-svid',
    ],
    [
      'whose token is for others',
      () => ({
        svids: [entry(WEB, { svid: authority.jwt.mint(WEB, { audience: 'ledger' }) })],
      }),
      'invalid-svid',
    ],
    [
      'whose token has expired',
      () => ({
        svids: [entry(WEB, { svid: authority.jwt.mint(WEB, { ...ORDERS, ttlMs: -1_000 }) })],
      }),
      'invalid-svid',
    ],
  ])('rule 68: an answer %s is refused', async (_, answer, code) => {
    using failures = new Published<JwtSvidFetchFailedEvent>(
      'spiffe:jwt-svid:fetch-failed',
      agent.address,
    )
    const held = await open()
    const asking = held.fetchJwtSvid(ORDERS)
    const call = await agent.nextCall('FetchJWTSVID')
    call.send(answer())
    await expect(asking).rejects.toEqual(failing(code))
    expect(failures.events).toMatchObject([{ audience: ['orders'], spiffeId: null, code }])
  })

  test('a bad SVID after the first is left out and reported', async () => {
    using rejected = new Published<RejectedEvent>('spiffe:jwt-svid:rejected', agent.address)
    const held = await open()
    await fetched(held, [entry(WEB), entry(API, { spiffeId: WEB })])
    expect(await held.fetchJwtSvids(ORDERS)).toHaveLength(1)
    expect(rejected.events).toMatchObject([{ code: 'invalid-svid' }])
  })

  test('an SVID of another identity than the one that was asked for is refused', async () => {
    const held = await open()
    const asking = fetched(held, [entry(WEB)], { ...ORDERS, spiffeId: API })
    await expect(asking).rejects.toEqual(failing('invalid-svid'))
  })

  test('one call serves all who ask at a time, and the end of one wait ends no other', async () => {
    const held = await open()
    const impatient = new AbortController()
    const { signal } = impatient
    const asking = [held.fetchJwtSvid(ORDERS), held.fetchJwtSvid({ ...ORDERS, signal })]
    const late = held.fetchJwtSvid({ ...ORDERS, timeoutMs: 1 })
    const call = await agent.nextCall('FetchJWTSVID')
    impatient.abort()
    await expect(asking[1]).rejects.toEqual(failing('aborted'))
    await expect(late).rejects.toEqual(failing('timeout'))
    call.send({ svids: [entry(WEB)] })
    expect((await asking[0])?.spiffeId.toString()).toBe(WEB)
    expect(agent.calls.filter(({ method }) => method === 'FetchJWTSVID')).toHaveLength(1)
  })

  test('a token whose authority leaves the bundle is fetched anew, and no other one is', async () => {
    const held = await open(bundles(authority, foreign))
    const old = await fetched(held, [entry(WEB)])
    await authority.jwt.rotateAuthority()
    await update(held, bundles(authority, foreign))
    expect(await held.fetchJwtSvid(ORDERS)).toBe(old)
    await authority.jwt.removeAuthority()
    await update(held, bundles(authority, foreign))
    const fresh = await fetched(held, [entry(WEB)])
    expect(fresh.keyId).not.toBe(old.keyId)
    await foreign.jwt.addAuthority()
    await update(held, bundles(authority, foreign))
    expect(await held.fetchJwtSvid(ORDERS)).toBe(fresh)
  })

  test('a token of an authority that has left the bundle is not given out, though the agent keeps it', async () => {
    const held = await open()
    await authority.jwt.rotateAuthority()
    await update(held, bundles(authority))
    const minute = 60
    const seconds = Math.floor(Date.now() / 1000)
    const claims = { iat: seconds - minute, exp: seconds + minute }
    const kept = authority.jwt.mint(WEB, { ...ORDERS, claims, header: { kid: 'gone' } })
    const asking = fetched(held, [entry(WEB, { svid: kept })])
    await expect(asking).rejects.toEqual(failing('untrusted-svid'))
    // One that is younger than the bundle may be of an authority that is yet to come.
    const young = { iat: seconds + 30, exp: seconds + minute }
    const svid = authority.jwt.mint(WEB, {
      audience: 'ledger',
      claims: young,
      header: { kid: 'new' },
    })
    const given = await fetched(held, [entry(WEB, { svid })], { audience: 'ledger' })
    expect(given.keyId).toBe('new')
    await authority.jwt.removeAuthority()
  })

  test('a source that is closed ends all waits with its code, and gives out nothing', async () => {
    const held = await open()
    await fetched(held, [entry(WEB)])
    const waiting = held.fetchJwtSvid({ audience: 'ledger' })
    await agent.nextCall('FetchJWTSVID')
    await Promise.all([expect(waiting).rejects.toEqual(failing('closed')), held.close()])
    await expect(held.fetchJwtSvid(ORDERS)).rejects.toEqual(failing('closed'))
    await expect(held.validateJwtSvidByAgent('token', ORDERS)).rejects.toEqual(failing('closed'))
    expect(held.state).toBe('closed')
    expect(held.jwtBundles.size).toBe(1)
  })

  test('a token is in no event, error, JSON or inspection', async () => {
    const heard: unknown[] = []
    const listen = (event: unknown): unknown => heard.push(event)
    const names = ['svid:updated', 'svid:rejected', 'svid:fetch-failed', 'bundle:updated']
    const channels = [...names, 'source:state'].map((name) => `spiffe:jwt-${name}`)
    for (const name of channels) subscribe(name, listen)
    try {
      const held = await open()
      const svid = await fetched(held, [entry(WEB), entry(API, { spiffeId: WEB })])
      const bad = entry(WEB, { spiffeId: API })
      const refused = await fetched(held, [bad], { audience: 'ledger' }).catch(
        (error: unknown) => error,
      )
      expect(refused).toEqual(failing('invalid-svid'))
      const deep = { depth: 20, showHidden: true }
      const shown = [heard, refused, held, svid].flatMap((each) => [inspect(each, deep)])
      const secrets = [svid.token, Reflect.get(bad, 'svid') as string].flatMap((t) => t.split('.'))
      for (const text of [...shown, JSON.stringify([heard, held, svid])]) {
        for (const secret of secrets.filter((part) => part.length > 60)) {
          expect(text).not.toContain(secret)
        }
      }
      expect(heard.length).toBeGreaterThan(3)
    } finally {
      for (const name of channels) unsubscribe(name, listen)
    }
  })
})

/** What becomes of a token about which the agent answers so. */
async function verdict(answer: (call: AgentCall) => void, token = 'a.b.c'): Promise<unknown> {
  const held = source ?? (await open())
  const asking = held.validateJwtSvidByAgent(token, ORDERS).catch((error: unknown) => error)
  const call = await agent.nextCall('ValidateJWTSVID')
  expect(call.request).toMatchObject({ audience: 'orders', svid: token })
  answer(call)
  return asking
}

describe('ValidateJWTSVID', () => {
  const claims = {
    fields: {
      sub: { stringValue: WEB },
      exp: { numberValue: 1_767_225_600 },
      aud: { listValue: { values: [{ stringValue: 'orders' }] } },
      deep: { structValue: { fields: { nothing: { nullValue: 0 }, is: { boolValue: true } } } },
    },
  }

  test('rule 80: the agent is asked, and its word is given as its own', async () => {
    const accepted = await verdict((call) => call.send({ spiffeId: WEB, claims }))
    expect(accepted).toMatchObject({
      acceptedByAgent: true,
      claims: { sub: WEB, exp: 1_767_225_600, aud: ['orders'], deep: { nothing: null, is: true } },
    })
    expect(String(Reflect.get(accepted as object, 'spiffeId'))).toBe(WEB)
    expect(Object.isFrozen(accepted)).toBe(true)
    const secret = 'x'.repeat(40)
    const refused = await verdict((call) => call.fail(status.INVALID_ARGUMENT, secret), secret)
    expect(refused).toMatchObject({ acceptedByAgent: false })
    expect(inspect(refused)).not.toContain('xxx')
  })

  test('an answer that is incomplete or contradicts itself is refused', async () => {
    const contradiction = { fields: { sub: { stringValue: API } } }
    const answers = [
      {},
      { spiffeId: WEB },
      { claims },
      { spiffeId: 'web', claims },
      { spiffeId: WEB, claims: contradiction },
    ]
    for (const answer of answers) {
      expect(await verdict((call) => call.send(answer))).toEqual(failing('invalid-message'))
    }
  })

  test('without an answer there is no verdict, and no error quotes the token', async () => {
    const token = 'secret'.repeat(10)
    const codes = [
      [status.PERMISSION_DENIED, 'no-identity'],
      [status.UNAVAILABLE, 'unavailable'],
      [status.UNIMPLEMENTED, 'unimplemented'],
    ] as const
    for (const [code, expected] of codes) {
      const outcome = await verdict((call) => call.fail(code, `cannot read ${token}`), token)
      expect(outcome).toEqual(failing(expected))
      expect(inspect(outcome)).not.toContain('secretsecret')
    }
  })

  test('a token that cannot be one is not sent, and the audience is mandatory', async () => {
    const held = await open()
    for (const token of ['', 'x'.repeat(65_537)]) {
      const outcome = await held.validateJwtSvidByAgent(token, ORDERS)
      expect(outcome).toMatchObject({ acceptedByAgent: false })
    }
    await expect(held.validateJwtSvidByAgent('a', { audience: '' })).rejects.toEqual(
      failing('invalid-option'),
    )
    expect(agent.calls.map(({ method }) => method)).toEqual(['FetchJWTBundles'])
  })
})

describe('the client', () => {
  test('fetches bundles and tokens once, and watches bundles', async () => {
    await using client = new WorkloadApiClient({ address: agent.address, backoff: BACKOFF })
    const fetching = client.fetchJwtBundles()
    ;(await agent.nextCall('FetchJWTBundles')).send(bundles(authority, foreign))
    expect((await fetching).size).toBe(2)
    const asking = client.fetchJwtSvids({ ...ORDERS, spiffeId: WEB })
    ;(await agent.nextCall('FetchJWTSVID')).send({ svids: [entry(WEB)] })
    expect((await asking).map(({ spiffeId }) => spiffeId.toString())).toEqual([WEB])
    const denied = client.fetchJwtSvids(ORDERS)
    ;(await agent.nextCall('FetchJWTSVID')).fail(status.PERMISSION_DENIED)
    await expect(denied).rejects.toEqual(failing('no-identity'))
    const watching = client.watchJwtBundles()
    const first = watching.next()
    const call = await agent.nextCall('FetchJWTBundles')
    call.send(bundles(authority))
    expect((await first).value).toMatchObject({ size: 1 })
    const second = watching.next()
    call.end()
    ;(await agent.nextCall('FetchJWTBundles')).send(bundles(authority, foreign))
    expect((await second).value).toMatchObject({ size: 2 })
    await watching.return()
    const validating = client.validateJwtSvidByAgent('a.b.c', ORDERS)
    ;(await agent.nextCall('ValidateJWTSVID')).fail(status.INVALID_ARGUMENT)
    expect(await validating).toMatchObject({ acceptedByAgent: false })
  })
})
