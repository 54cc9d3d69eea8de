import { Authority, type InProcessSource } from '@fastify-spiffe/authority'
import { peer } from '@fastify-spiffe/peer'
import { injectAs, type Caller } from '@fastify-spiffe/peer/test-kit'
import { presentChain, presentedChainOf, readPresentedChain } from '@fastify-spiffe/plugin-kit'
import { SpiffeId } from '@fastify-spiffe/spiffe'
import { presentPeer } from '@fastify-spiffe/tls/test-kit'
import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals'
import Fastify, { type FastifyInstance } from 'fastify'
import { chain, currentChain, forwarded } from '../index.ts'
import { A, B, C, D, E } from '../scene.test.helper.ts'
import { chainThrough } from './index.ts'

let authority: Authority
const sources = new Map<string, InProcessSource>()
const environment = process.env['NODE_ENV']

beforeAll(async () => {
  authority = await Authority.create({ trustDomain: 'example.org' })
  for (const id of [A, B, C, D, E]) sources.set(id, await authority.source(id))
})

afterAll(() => authority.close())

afterEach(() => {
  if (environment === undefined) delete process.env['NODE_ENV']
  else process.env['NODE_ENV'] = environment
})

/** An application of C, which says on whose behalf it was called, and hands tokens to D. */
async function appOfC(relays: readonly string[] = []): Promise<FastifyInstance> {
  const source = sources.get(C)!
  const app = Fastify()
  await app.register(peer)
  await app.register(chain, { source, handTo: [D], relays })
  await app.register(forwarded, {
    source,
    proxies: [{ id: E, header: 'client-cert', speaksFor: [A] }],
  })
  app.all('/', (request) => ({ chain: request.chain, depth: request.chain?.depth ?? 0 }))
  app.get('/below', async () => currentChain())
  app.get('/further', (request) => ({ ...request.chainHeaders(D) }))
  return app
}

function hops(...ids: readonly string[]): InProcessSource[] {
  return ids.map((id) => sources.get(id)!)
}

/** What C answers to a caller. */
async function calls(caller: Caller, url = '/'): Promise<unknown> {
  await using app = await appOfC()
  return (await injectAs(app, caller, url)).json()
}

describe('a caller is presented', () => {
  test('with the chain before it, in the request and below its handler', async () => {
    const caller = { spiffeId: B, notAfter: 4e12, chain: { origin: A, via: [SpiffeId.parse(D)] } }
    const expected = { origin: A, via: [D], caller: B, evidence: 'signed', validUntil: 4e12 }
    expect(await calls(caller)).toEqual({
      depth: 3,
      chain: expect.objectContaining({
        ...expected,
        act: { sub: A, act: { sub: B, act: { sub: D } } },
      }),
    })
    expect(await calls(caller, '/below')).toMatchObject(expected)
  })

  test('without a chain, or as its own origin', async () => {
    expect(await calls(B)).toEqual({ chain: null, depth: 0 })
    expect(await calls({ spiffeId: B })).toEqual({ chain: null, depth: 0 })
    expect(await calls({ spiffeId: B, chain: { origin: B } })).toMatchObject({
      depth: 1,
      chain: { origin: B, via: [], caller: B },
    })
  })

  test('as a proxy that forwards a client, which the plugin forwarded sees, and chain does not', async () => {
    const presented = { origin: A, evidence: 'forwarded' } as const
    expect(await calls({ spiffeId: E, chain: presented })).toMatchObject({
      chain: { origin: A, caller: E, evidence: 'forwarded' },
    })
    await using app = Fastify()
    await app.register(peer)
    await app.register(chain, { source: sources.get(C)! })
    app.get('/', (request) => ({ chain: request.chain }))
    const answer = await injectAs(app, { spiffeId: E, chain: presented }, '/')
    expect(answer.json()).toEqual({ chain: null })
  })

  test('with a chain that nobody has signed, and so nobody continues', async () => {
    expect(await calls({ spiffeId: B, chain: { origin: A } }, '/further')).toMatchObject({
      code: 'invalid-chain',
      statusCode: 500,
    })
  })

  test('with a chain of what is no SPIFFE ID: injectAs rejects', async () => {
    for (const presented of [{ origin: 'web' }, { origin: A, via: ['*'] }]) {
      await expect(calls({ spiffeId: B, chain: presented })).rejects.toMatchObject({
        code: 'invalid-spiffe-id',
      })
    }
  })

  test('and no peer of another proof gets a chain', () => {
    const presented = presentPeer({}, { spiffeId: B })!
    const read = readPresentedChain({ origin: A })
    const proven = { ...presented, proof: 'x509-svid' } as const
    presentChain(proven, read)
    expect(presentedChainOf(proven, 'signed')).toBeNull()
    presentChain(presented, read)
    expect(presentedChainOf(presented, 'signed')).toMatchObject({ caller: presented.spiffeId })
    expect(presentedChainOf(presented, 'forwarded')).toBeNull()
    expect(presentedChainOf({ ...presented }, 'signed')).toBeNull()
    expect(presentedChainOf(null, 'signed')).toBeNull()
  })

  test('headers that are sent besides count first', async () => {
    await using app = await appOfC()
    const headers = { ...chainThrough(hops(D, B), C) }
    const caller = { spiffeId: B, chain: { origin: A } }
    const answer = await injectAs(app, caller, { url: '/', headers })
    expect(answer.json()).toMatchObject({ chain: { origin: D } })
    const spoilt = { ...headers, 'svid-chain': 'a.b.c' }
    expect((await injectAs(app, caller, { url: '/', headers: spoilt })).statusCode).toBe(401)
  })
})

describe('chainThrough', () => {
  test('signs with the SVIDs of all hops, and the receiver verifies and continues it', async () => {
    await using app = await appOfC()
    for (const [ids, via] of [
      [[B], []],
      [[A, B], []],
      [[A, D, B], [D]],
    ] as const) {
      const headers = { ...chainThrough(hops(...ids), C) }
      const answer = await injectAs(app, B, { url: '/', headers })
      expect(answer.json()).toMatchObject({ chain: { origin: ids[0], via, caller: B } })
      const further = await injectAs(app, B, { url: '/further', headers })
      expect(further.json()['svid-chain'].split(',')).toHaveLength(ids.length + 1)
      expect((await injectAs(app, A, { url: '/', headers })).statusCode).toBe(401)
    }
  })

  test('makes headers for a relay, which presents them once', async () => {
    await using app = await appOfC([E])
    const request = { method: 'POST', target: '/?a=1' }
    const headers = { ...chainThrough(hops(A, B), C, { request }) }
    const send = async () => injectAs(app, E, { method: 'POST', url: '/?a=1', headers })
    expect((await send()).json()).toMatchObject({ chain: { origin: A, via: [B], caller: E } })
    expect((await send()).statusCode).toBe(401)
  })

  test('takes the time from its option', () => {
    expect(() => chainThrough(hops(A, B), C, { clock: () => 0 })).toThrow(
      expect.objectContaining({ code: 'invalid-chain' }),
    )
  })

  test.each<[string, () => unknown]>([
    ['no-svid', () => chainThrough([], C)],
    ['invalid-audience', () => chainThrough(hops(A), 'spiffe://example.org/acme/*')],
    ['chain-too-deep', () => chainThrough(hops(A, B, C, D, E), A)],
  ])('throws %s', (code, make) => {
    expect(make).toThrow(expect.objectContaining({ code, name: 'ChainError' }))
  })

  test('does not work in production', () => {
    process.env['NODE_ENV'] = 'production'
    expect(() => chainThrough(hops(A), C)).toThrow(
      expect.objectContaining({ code: 'test-kit-refused' }),
    )
  })
})
