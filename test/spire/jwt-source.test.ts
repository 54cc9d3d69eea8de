import { afterAll, beforeAll, expect, test } from '@jest/globals'
import { TrustDomain } from '@fastify-spiffe/spiffe'
import type { JwtSvid } from '@fastify-spiffe/spiffe'
import { JwtSvidVerifier } from '@fastify-spiffe/spiffe/jwt-svid'
import { JwtSource, WorkloadApiClient, WorkloadApiError } from '@fastify-spiffe/workload-api'
import { SpireServer, until, Workload } from './fixture/index.ts'
import { report } from './support/report.ts'

const ORDERS = 'spiffe://a.test/acme/orders'
const PARTNER = 'spiffe://b.test/partner/web'
const [HOME, FOREIGN] = [TrustDomain.parse('a.test'), TrustDomain.parse('b.test')]

let home: SpireServer
let foreign: SpireServer
let orders: Workload
let partner: Workload
let source: JwtSource
let partnerSource: JwtSource

beforeAll(async () => {
  home = await SpireServer.start({ trustDomain: 'a.test', federation: true })
  foreign = await SpireServer.start({ trustDomain: 'b.test', federation: true })
  await home.federateWith(foreign)
  await foreign.federateWith(home)
  orders = await Workload.start({
    server: home,
    path: '/acme/orders',
    federatesWith: ['b.test'],
    hint: 'internal',
    jwtSvidTtlMs: 20_000,
  })
  partner = await Workload.start({
    server: foreign,
    path: '/partner/web',
    federatesWith: ['a.test'],
  })
  source = await JwtSource.open({ address: orders.address })
  partnerSource = await JwtSource.open({ address: partner.address })
  const sources = [source, partnerSource]
  await until('both know both', () => sources.every(({ jwtBundles }) => jwtBundles.size === 2))
})

afterAll(async () => {
  const parts = [partnerSource, source, partner, orders, foreign, home]
  for (const part of parts) await part?.[Symbol.asyncDispose]()
})

/** What another workload makes of a token, by itself: whose it is, or the code of the refusal. */
async function verdict(of: JwtSource, { token }: JwtSvid, audience: string): Promise<string> {
  const verifier = new JwtSvidVerifier({ source: of, audience })
  const verification = await verifier.verify(token)
  return verification.ok ? verification.svid.spiffeId.toString() : verification.code
}

/** What its agent makes of it. */
async function agentVerdict(of: JwtSource, { token }: JwtSvid, audience: string): Promise<string> {
  const answered = await of.validateJwtSvidByAgent(token, { audience })
  return answered.acceptedByAgent ? answered.spiffeId.toString() : 'refused'
}

test('tokens cross two federated trust domains, and are verified offline and by the agents alike', async () => {
  const outward = await source.fetchJwtSvid({ audience: ['web', 'ledger'] })
  const inward = await partnerSource.fetchJwtSvid({ audience: 'orders', spiffeId: PARTNER })
  expect(outward).toMatchObject({ audience: ['ledger', 'web'], hint: 'internal' })
  for (const judge of [verdict, agentVerdict]) {
    expect(await judge(partnerSource, outward, 'web')).toBe(ORDERS)
    expect(await judge(partnerSource, outward, 'ledger')).toBe(ORDERS)
    expect(await judge(source, inward, 'orders')).toBe(PARTNER)
  }
  expect(await verdict(source, inward, 'ledger')).toBe('wrong-audience')
  expect(await agentVerdict(source, inward, 'ledger')).toBe('refused')
  const { claims } = Object(await source.validateJwtSvidByAgent(outward.token, { audience: 'web' }))
  expect(claims).toMatchObject({ sub: ORDERS, exp: outward.expiresAt / 1000 })
})

test('an identity that the workload does not have is not given, and a hint finds its identity', async () => {
  const stranger = { audience: 'web', spiffeId: 'spiffe://a.test/acme/billing' }
  await expect(source.fetchJwtSvid(stranger)).rejects.toMatchObject({ code: 'no-identity' })
  const hinted = await source.fetchJwtSvid({ audience: 'web', hint: 'internal' })
  expect(hinted.spiffeId.toString()).toBe(ORDERS)
  const unknown = source.fetchJwtSvid({ audience: 'web', hint: 'external' })
  await expect(unknown).rejects.toMatchObject({ code: 'no-match' })
})

test('a token is kept, renewed at half of its life, and at no time about to expire', async () => {
  const first = await source.fetchJwtSvid({ audience: 'renewed' })
  expect(await source.fetchJwtSvid({ audience: 'renewed' })).toBe(first)
  const left: number[] = []
  const renewed = await until('a new token', async () => {
    const svid = await source.fetchJwtSvid({ audience: 'renewed' })
    left.push(svid.expiresAt - Date.now())
    // The agent keeps tokens as well: just before half of their life it gives the same one again.
    return svid.expiresAt > first.expiresAt && svid
  })
  expect(await verdict(partnerSource, renewed, 'renewed')).toBe(ORDERS)
  report(`a token of 20 s was renewed with ${Math.min(...left)} ms left at the least`)
  expect(Math.min(...left)).toBeGreaterThan(4_000)
})

/** Whether a source knows an authority of a trust domain. */
function knows(of: JwtSource, trustDomain: TrustDomain, id: string): boolean {
  return of.jwtBundles.get(trustDomain)?.find(id) !== undefined
}

test('a key is replaced and revoked: tokens follow, here and in the other domain', async () => {
  const audience = 'rotated'
  const old = await partnerSource.fetchJwtSvid({ audience })
  expect(await verdict(source, old, audience)).toBe(PARTNER)
  const oldId = await foreign.jwtAuthorities.active()
  expect(old.keyId).toBe(oldId)
  const newId = await foreign.jwtAuthorities.prepare()
  const bothKnow = (): boolean =>
    knows(source, FOREIGN, newId) && knows(partnerSource, FOREIGN, newId)
  await until('both know the new key', bothKnow, { timeoutMs: 60_000 })
  await foreign.jwtAuthorities.activate(newId)
  await foreign.jwtAuthorities.taint(oldId)
  await using client = new WorkloadApiClient({ address: partner.address })
  await until('the agent has replaced its token', async () => {
    const [svid] = await client.fetchJwtSvids({ audience })
    return svid?.keyId === newId
  })
  // Tainted is not revoked: who has the old token is believed.
  expect(await partnerSource.fetchJwtSvid({ audience })).toBe(old)
  expect(await verdict(source, old, audience)).toBe(PARTNER)
  await foreign.jwtAuthorities.revoke(oldId)
  const revokedAt = performance.now()
  await until('the source has dropped the old key', () => !knows(partnerSource, FOREIGN, oldId))
  const fresh = await partnerSource.fetchJwtSvid({ audience })
  expect(fresh.keyId).toBe(newId)
  report(`own tokens follow ${Math.round(performance.now() - revokedAt)} ms after the revocation`)
  const hasDropped = (): boolean => !knows(source, FOREIGN, oldId)
  await until('the other domain has dropped the old key', hasDropped, { timeoutMs: 60_000 })
  report(`the other domain follows ${Math.round(performance.now() - revokedAt)} ms after it`)
  expect(await verdict(source, old, audience)).toBe('unknown-key')
  expect(await agentVerdict(source, old, audience)).toBe('refused')
  expect(await verdict(source, fresh, audience)).toBe(PARTNER)
}, 180_000)

test('a key that is revoked at once leaves old tokens with the agent, and they are not given out', async () => {
  const audience = 'abrupt'
  const old = await source.fetchJwtSvid({ audience })
  const oldId = await home.jwtAuthorities.active()
  const newId = await home.jwtAuthorities.prepare()
  await home.jwtAuthorities.activate(newId)
  await home.jwtAuthorities.taint(oldId)
  await home.jwtAuthorities.revoke(oldId)
  await until('the source has dropped the old key', () => !knows(source, HOME, oldId))
  const codes = new Set<string>()
  const fresh = await until('a token of the new key', async () => {
    try {
      const svid = await source.fetchJwtSvid({ audience })
      expect(svid.keyId).not.toBe(old.keyId)
      return svid
    } catch (error) {
      if (!(error instanceof WorkloadApiError)) throw error
      codes.add(error.code)
      return undefined
    }
  })
  expect(fresh.keyId).toBe(newId)
  for (const code of codes) expect(code).toBe('untrusted-svid')
  report(`until the agent had a new token: ${[...codes].join() || 'no failure'}`)
}, 90_000)

test('an agent that is killed leaves bundles and tokens in use, and comes back', async () => {
  const kept = await partnerSource.fetchJwtSvid({ audience: 'kept' })
  await partner.agent.kill()
  await until('the source is stale', () => partnerSource.state === 'stale')
  expect(await partnerSource.fetchJwtSvid({ audience: 'kept' })).toBe(kept)
  expect(await verdict(partnerSource, kept, 'kept')).toBe(PARTNER)
  await expect(partnerSource.fetchJwtSvid({ audience: 'new' })).rejects.toMatchObject({
    code: 'unreachable',
  })
  await partner.agent.restart()
  await until('the source is ready', () => partnerSource.state === 'ready')
  const fetched = await until('a token', () => partnerSource.fetchJwtSvid({ audience: 'new' }))
  expect(await verdict(source, fetched, 'new')).toBe(PARTNER)
})

test('a workload whose entry is deleted has neither tokens nor bundles, until the entry is back', async () => {
  await source.fetchJwtSvid({ audience: 'web' })
  await orders.unregister()
  await until('the source is denied', () => source.state === 'denied')
  expect(source.jwtBundles.size).toBe(0)
  await expect(source.fetchJwtSvid({ audience: 'web' })).rejects.toMatchObject({
    code: 'no-identity',
  })
  await orders.register()
  await until('the source is ready', () => source.state === 'ready')
  const { spiffeId } = await until('a token', () => source.fetchJwtSvid({ audience: 'web' }))
  expect(spiffeId.trustDomain.equals(HOME)).toBe(true)
}, 90_000)
