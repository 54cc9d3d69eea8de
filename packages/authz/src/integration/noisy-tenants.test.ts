// oxlint-disable unicorn/consistent-function-scoping -- helpers stand beside the tests that use them
import { peer } from '@fastify-spiffe/peer'
import { injectAs } from '@fastify-spiffe/peer/test-kit'
import { SpiffeId } from '@fastify-spiffe/spiffe'
import { afterEach, describe, expect, test } from '@jest/globals'
import Fastify, { type FastifyInstance } from 'fastify'
import { authz, type AuthzOptions, type Engine, type RouteRule, where } from '../index.ts'

const VICTIM = 'spiffe://example.org/victim/web'
const NOISY = 'spiffe://example.org/noisy/web'
const FOREIGN = 'spiffe://partner.test/noisy/web'
const WITH_TENANTS: AuthzOptions = { tenant: '/{tenant}/{workload}' }

const apps: FastifyInstance[] = []
afterEach(async () => {
  await Promise.all(apps.splice(0).map((app) => app.close()))
})

/** An application whose `GET /x` asks what `rule` says. */
async function service(rule: Partial<RouteRule>, options: AuthzOptions): Promise<FastifyInstance> {
  const app = Fastify()
  apps.push(app)
  await app.register(peer)
  await app.register(authz, options)
  app.get('/x', { config: { spiffe: { anyAuthenticated: true, ...rule } } }, () => 'in')
  await app.ready()
  return app
}

async function statusOf(app: FastifyInstance, as: string, query = 'same'): Promise<number> {
  return (await injectAs(app, as, `/x?q=${query}`)).statusCode
}

/** The statuses of requests one after the other, each once. */
async function statusesOf(
  app: FastifyInstance,
  as: string | ((number: number) => string),
  count: number,
  queryOf: (number: number) => string = () => 'same',
): Promise<ReadonlySet<number>> {
  const statuses = new Set<number>()
  for (let number = 0; number < count; number++) {
    const caller = typeof as === 'string' ? as : as(number)
    statuses.add(await statusOf(app, caller, queryOf(number)))
  }
  return statuses
}

const foreignName = (number: number): string => `spiffe://partner.test/name-${number}/web`
const everNew = (number: number): string => `new-${number}`

/** An engine that counts how often it is asked. */
function counting(decide: Engine['decide'], more: Partial<Engine> = {}) {
  const asked = { times: 0 }
  const engine: Engine = {
    name: 'judge',
    cost: 'cpu',
    reads: ['query.q'],
    decide: (question, context) => {
      asked.times++
      return decide(question, context)
    },
    ...more,
  }
  return { engine, asked }
}

describe('the cache of a route', () => {
  // Without tenants, each trust domain is one.
  test.each<[string, string, AuthzOptions]>([
    ['tenant', NOISY, WITH_TENANTS],
    ['tenant of another trust domain', FOREIGN, WITH_TENANTS],
    ['trust domain where there are no tenants', FOREIGN, {}],
  ])('is not bypassed for others since it does not pay for a %s', async (_, noisy, options) => {
    const { engine, asked } = counting(() => true)
    const app = await service({ engines: ['judge'] }, { ...options, engines: [engine] })
    await statusesOf(app, VICTIM, 2)
    await statusesOf(app, noisy, 1100, everNew)
    const before = asked.times
    await statusesOf(app, VICTIM, 50)
    expect(asked.times).toBe(before)
    await statusesOf(app, noisy, 5)
    expect(asked.times).toBe(before + 5)
  })

  test('keeps others from their quota, however little it pays for a tenant', async () => {
    const { engine } = counting(() => true)
    const tenants = { maxEvaluationsPerSecond: 20 }
    const app = await service(
      { engines: ['judge'] },
      { ...WITH_TENANTS, tenants, engines: [engine] },
    )
    await statusesOf(app, NOISY, 1100, everNew)
    expect(await statusesOf(app, VICTIM, 100)).toEqual(new Set([200]))
  })

  test('forgets nothing of a trust domain for the names of another', async () => {
    let asked = 0
    const counted = where(() => ++asked > 0, { reads: [] })
    const app = await service({ where: counted }, { ...WITH_TENANTS, cache: { maxTenants: 20 } })
    const ours = (number: number): string => `spiffe://example.org/ours-${number}/web`
    await statusesOf(app, ours, 20)
    await statusesOf(app, foreignName, 100)
    const before = asked
    await statusesOf(app, ours, 20)
    expect(asked).toBe(before)
    expect(app.authz.stats().tenants).toBe(40)
  })
})

describe('the account of a tenant', () => {
  test('is not forgotten while anything is under way on it', async () => {
    const answers: (() => void)[] = []
    const pending = where(
      ({ 'query.q': q }) =>
        q !== 'slow' || new Promise<boolean>((resolve) => answers.push(() => resolve(true))),
      { reads: ['query.q'], maxAgeMs: 3_600_000, timeoutMs: 60_000 },
    )
    const app = await service(
      { where: pending },
      {
        ...WITH_TENANTS,
        tenants: { maxInFlight: 1, maxEvaluationsPerSecond: 1000 },
        cache: { maxTenants: 10 },
      },
    )
    const first = statusOf(app, FOREIGN, 'slow')
    while (answers.length === 0) await new Promise(setImmediate)
    await statusesOf(app, foreignName, 50)
    const others = 'spiffe://partner.test/noisy/other'
    expect(await statusOf(app, others, 'slow')).toBe(429)
    for (const answer of answers) answer()
    expect(await first).toBe(200)
  })

  test('is not renewed by names of its trust domain that push it out', async () => {
    const app = await service(
      { where: where(() => true, { reads: ['query.q'] }) },
      {
        ...WITH_TENANTS,
        tenants: { maxEvaluationsPerSecond: 1 },
        cache: { maxTenants: 10 },
      },
    )
    const statuses: number[] = []
    const startedAt = performance.now()
    for (let round = 0; round < 5; round++) {
      statuses.push(await statusOf(app, FOREIGN, `round-${round}`))
      await statusesOf(app, foreignName, 20, (number) => `${round}-${number}`)
    }
    const seconds = (performance.now() - startedAt) / 1000
    const letIn = statuses.filter((status) => status === 200).length
    expect(letIn).toBeLessThanOrEqual(1 + Math.floor(seconds))
    expect(await statusOf(app, VICTIM)).toBe(200)
  })
})

describe('an engine', () => {
  const fails = counting(({ attributes }) => {
    if (attributes['query.q'] === 'bad') throw new Error('cannot read this')
    return true
  })
  const rule: Partial<RouteRule> = { engines: [{ engine: 'judge', maxAgeMs: 0 }] }

  test.each<[string, string, AuthzOptions]>([
    ['tenant', NOISY, WITH_TENANTS],
    ['trust domain where there are no tenants', FOREIGN, {}],
  ])('that fails for the questions of a %s is asked for others', async (_, noisy, options) => {
    const app = await service(rule, { ...options, engines: [fails.engine] })
    expect(await statusesOf(app, noisy, 100, () => 'bad')).toEqual(new Set([403]))
    expect(await statusesOf(app, VICTIM, 20)).toEqual(new Set([200]))
    expect(app.authz.engines()).toMatchObject([{ breaker: 'closed', failed: 5, unavailable: 95 }])
  })

  test.each<[string, string, AuthzOptions]>([
    ['tenant', NOISY, WITH_TENANTS],
    ['trust domain where there are no tenants', FOREIGN, {}],
  ])('is not busy for others with the questions of a %s', async (_, noisy, options) => {
    const answers: (() => void)[] = []
    const { engine } = counting(
      ({ attributes }) =>
        attributes['query.q'] === 'good' ||
        new Promise<boolean>((resolve) => answers.push(() => resolve(true))),
      { cost: 'io', maxInFlight: 8, timeoutMs: 60_000 },
    )
    const app = await service(rule, { ...options, engines: [engine] })
    const hung = Array.from({ length: 20 }, (_unused, number) => statusOf(app, noisy, `${number}`))
    // The victim's question hangs as well: it is let in once it is answered.
    while (app.authz.engines()[0]?.busy === 0) await new Promise(setImmediate)
    const victim = statusOf(app, VICTIM, 'hangs')
    const before = answers.length
    while (answers.length === before) await new Promise(setImmediate)
    for (const answer of answers) answer()
    expect(await victim).toBe(200)
    expect((await Promise.all(hung)).filter((status) => status === 403).length).toBeGreaterThan(10)
    expect(app.authz.engines()).toMatchObject([{ inFlight: 0 }])
  })
})

test('SVIDs that have called are not forgotten for the names of another trust domain', async () => {
  const app = await service({}, { ...WITH_TENANTS, cache: { maxTenants: 10 } })
  const caller = { spiffeId: SpiffeId.parse(VICTIM), serialNumber: '0a1b' }
  expect((await injectAs(app, caller, '/x')).statusCode).toBe(200)
  await statusesOf(app, foreignName, 50)
  const victim = { trustDomain: 'example.org', name: 'victim' }
  expect(app.authz.findSvid(victim, '0a1b')?.spiffeId.toString()).toBe(VICTIM)
})
