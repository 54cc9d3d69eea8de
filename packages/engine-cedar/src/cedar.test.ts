// oxlint-disable unicorn/consistent-function-scoping -- helpers stand beside the tests that use them
// oxlint-disable typescript/no-unsafe-type-assertion -- these tests pass what the types forbid, as JavaScript can
import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { rename, writeFile } from 'node:fs/promises'
import * as wasm from '@cedar-policy/cedar-wasm/nodejs'
import { injectAs } from '@fastify-spiffe/peer/test-kit'
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals'
import {
  localScene,
  nextEvent,
  question,
  ROOT,
  service,
  WEB,
} from '@fastify-spiffe-test/kit/local-scene'
import { cedar, type CedarErrorEvent, type CedarOptions, type LocalEngine } from './index.ts'
import { CedarPolicies } from './policies.ts'
import { PreparedPolicyPool } from './prepared-policy-pool.ts'

const POLICIES = `
@id("readers")
permit(principal, action == Action::"GET /orders/:id", resource)
when { principal has tenant && principal.tenant.name == "acme" };

@id("operators")
permit(principal == Workload::"spiffe://example.org/ops/root", action, resource);

@id("risk")
forbid(principal, action == Action::"PUT /orders/:id", resource)
when { context.headers.risk == "high" };
`
const SECOND = POLICIES.replaceAll('"acme"', '"zenith"')
const SCHEMA = `
entity Workload = { trust_domain: String, tenant?: { trust_domain: String, name: String } };
entity Route;
action "GET /orders/:id" appliesTo { principal: [Workload], resource: [Route], context: {} };
action "PUT /orders/:id" appliesTo {
  principal: [Workload], resource: [Route], context: { headers: { risk: String } }
};
`

const scene = localScene()
const errors: CedarErrorEvent[] = []
const listen = (event: unknown): void => void errors.push(event as CedarErrorEvent)

beforeEach(() => {
  errors.length = 0
  subscribe('spiffe:authz:cedar-error', listen)
})
afterEach(() => {
  unsubscribe('spiffe:authz:cedar-error', listen)
})

const open = async (options: Partial<CedarOptions> = {}): Promise<LocalEngine> =>
  scene.keep(await cedar({ policies: POLICIES, ...options }))

describe('Cedar', () => {
  test('lets in what a policy permits', async () => {
    const engine = await open()
    expect(engine.decide(question())).toBe(true)
    expect(engine.decide(question({ spiffeId: ROOT, route: '/elsewhere' }))).toBe(true)
    expect(errors).toEqual([])
  })

  test('refuses what no policy permits', async () => {
    const engine = await open()
    expect(engine.decide(question({ tenantName: 'zenith' }))).toBe(false)
    expect(engine.decide(question({ tenant: null }))).toBe(false)
    expect(engine.decide(question({ method: 'DELETE' }))).toBe(false)
    expect(engine.decide(question({ route: '/orders' }))).toBe(false)
    expect(errors).toEqual([])
  })

  test('refuses what a policy forbids, whoever permits it', async () => {
    const engine = await open()
    const put = (risk: string): boolean =>
      engine.decide(
        question({ spiffeId: ROOT, method: 'PUT', attributes: { 'headers.risk': risk } }),
      )
    expect([put('low'), put('high')]).toEqual([true, false])
  })

  test('refuses when the policy that forbids fails, which Cedar itself lets in', async () => {
    const engine = await open()
    expect(engine.decide(question({ spiffeId: ROOT, method: 'PUT' }))).toBe(false)
    expect(errors).toEqual([
      {
        engine: 'cedar',
        policy: 'risk',
        message: expect.any(String),
        method: 'PUT',
        route: '/orders/:id',
      },
    ])

    // The naive way, for comparison.
    const answer = wasm.isAuthorized({
      principal: { type: 'Workload', id: ROOT.toString() },
      action: { type: 'Action', id: 'PUT /orders/:id' },
      resource: { type: 'Route', id: '/orders/:id' },
      context: {},
      policies: { staticPolicies: POLICIES },
      entities: [],
    })
    expect(answer).toMatchObject({ type: 'success', response: { decision: 'allow' } })
  })

  test('refuses when a policy that permits fails, although another one permits', async () => {
    const policies = `permit(principal, action, resource);
      permit(principal, action, resource) when { context.absent == 1 };`
    const engine = await open({ policies })
    expect(engine.decide(question())).toBe(false)
    expect(errors).toMatchObject([{ policy: 'policy1' }])
  })

  test('looks at the same policies whatever their order, number and names', async () => {
    const many = Array.from(
      { length: 30 },
      (_, n) => `permit(principal, action == Action::"GET /r${n}", resource);
                 forbid(principal, action == Action::"GET /r${n}", resource)
                 when { context.params.id == "${n}" };`,
    )
    const policies = [
      ...many,
      'forbid(principal, action in [Action::"GET /r3", Action::"GET /r4"], resource);',
      'forbid(principal, action in Action::"all", resource);',
      '@id("last") forbid(principal, action, resource) when { context.params.id == "x" };',
    ]
    const group = { uid: { type: 'Action', id: 'GET /r7' }, attrs: {} }
    const engine = await open({
      policies: policies.join('\n'),
      entities: () => [{ ...group, parents: [{ type: 'Action', id: 'all' }] }],
    })
    const ask = (n: number, id: string): boolean =>
      engine.decide(question({ route: `/r${n}`, attributes: { 'params.id': id } }))
    const wide = Array.from({ length: 30 }, (_, n) => ask(n, 'other'))
    expect(wide).toEqual(Array.from({ length: 30 }, (_, n) => ![3, 4, 7].includes(n)))
    expect(Array.from({ length: 30 }, (_, n) => ask(n, String(n)))).toEqual(Array(30).fill(false))
    expect(Array.from({ length: 30 }, (_, n) => ask(n, 'x'))).toEqual(Array(30).fill(false))
  })

  test('a policy of several actions is no policy of one', async () => {
    const engine = await open({
      policies: `permit(principal, action in [Action::"GET /a"], resource);
                 permit(principal, action == Action::"GET /\\u{62}", resource);
                 permit(principal, action == App::Action::"GET /c", resource);`,
    })
    const ask = (route: string): boolean => engine.decide(question({ route }))
    // `\u{62}` is `b`; an action of another namespace is another action.
    expect(['/a', '/b', '/c', '/d'].map(ask)).toEqual([true, true, false, false])
  })
})

describe('what Cedar is asked', () => {
  test('the caller, method and route, and the declared attributes', async () => {
    const engine = await open({
      policies: `permit(principal, action, resource) when {
        principal == Workload::"spiffe://example.org/acme/web" &&
        principal.trust_domain == "example.org" &&
        principal.tenant == { trust_domain: "example.org", name: "acme" } &&
        principal.captures.name == "web" && principal.jwt.scope == "read" &&
        action == Action::"GET /orders/:id" && resource == Route::"/orders/:id" &&
        context.params.id == "7" && context.ip == "192.0.2.1" && context.headers["x-a"] == "b" &&
        !(context.headers has absent)
      };`,
    })
    const attributes = {
      'captures.name': 'web',
      'jwt.scope': 'read',
      'params.id': '7',
      ip: '192.0.2.1',
      'headers.x-a': 'b',
      'headers.absent': undefined,
    }
    expect(engine.decide(question({ attributes }))).toBe(true)
    expect(engine.decide(question({ attributes: { ...attributes, 'jwt.scope': 'no' } }))).toBe(
      false,
    )
    expect(errors).toEqual([])
  })

  test('what is declared and absent can be asked for', async () => {
    const policies = `permit(principal, action, resource);
      forbid(principal, action, resource) when { context.headers has "x-frozen" };
      forbid(principal, action, resource) when { principal.jwt has scope };`
    const engine = await open({ policies })
    const ask = (frozen?: string, scope?: string): boolean =>
      engine.decide(question({ attributes: { 'headers.x-frozen': frozen, 'jwt.scope': scope } }))
    expect([ask(), ask(''), ask(undefined, 'read')]).toEqual([true, false, false])
    expect(errors).toEqual([])
  })

  test('what `request` makes of it, with defaults for what it leaves out', async () => {
    const engine = await open({
      policies: `permit(principal, action, resource == Order::"7")
                 when { principal.trust_domain == "example.org" && context.size < 10 };`,
      request: ({ attributes }) => ({
        resource: { type: 'Order', id: attributes['params.id'] ?? '' },
        context: { size: 9 },
      }),
    })
    const ask = (id: string): boolean =>
      engine.decide(question({ attributes: { 'params.id': id } }))
    expect(['7', '8', '7" || true', ''].map(ask)).toEqual([true, false, false, false])
  })

  test('with the entities that are given, of which one may be the caller', async () => {
    const policies = `permit(principal in Team::"orders", action, resource)
                      when { principal.level > 2 };`
    const uid = { type: 'Workload', id: WEB.toString() }
    const team = { uid: { type: 'Team', id: 'orders' }, attrs: {}, parents: [] }
    const caller = { uid, attrs: { level: 3 }, parents: [team.uid] }
    expect((await open({ policies, entities: () => [caller, team] })).decide(question())).toBe(true)
    expect((await open({ policies, entities: () => [team] })).decide(question())).toBe(false)
    expect(errors).toEqual([])
  })

  test.each([
    ['NUL', 'a\0b', 'a\0c'],
    ['quotes and backslashes', '"\\"};', '"\\"}'],
    ['policy text', '"}; permit(principal, action, resource); //', '"'],
    ['characters beyond the BMP', '\u{1f600}', '\u{1f601}'],
    ['composed characters', '\u00e9', 'e\u0301'],
    ['names of prototypes', '__proto__', 'constructor'],
    ['escapes of entities', '{"__entity":{"type":"Team","id":"orders"}}', '{}'],
    ['a long text', 'x'.repeat(100_000), `${'x'.repeat(99_999)}y`],
  ])('compares attributes to the last character: %s', async (_what, left, other) => {
    const policies =
      'permit(principal, action, resource) when { context.headers.a == context.headers.b };'
    const engine = await open({ policies })
    const ask = (b: string): boolean =>
      engine.decide(question({ attributes: { 'headers.a': left, 'headers.b': b } }))
    expect([ask(left), ask(other), ask(left)]).toEqual([true, false, true])
    expect(errors).toEqual([])
  })

  test('takes attributes by the names of prototypes for names', async () => {
    const policies = 'permit(principal, action, resource) when { context.headers.toString == "x" };'
    const engine = await open({ policies })
    expect(engine.decide(question({ attributes: { 'headers.toString': 'x' } }))).toBe(true)
    expect(engine.decide(question({ attributes: { 'headers.a': 'x' } }))).toBe(false)
  })

  test('refuses what Cedar cannot read, and is as good as before after any number of such', async () => {
    let deep: object = {}
    for (let level = 0; level < 100; level++) deep = { deep }
    const cycle: Record<string, unknown> = {}
    cycle['cycle'] = [cycle]
    const unreadable: unknown[] = ['\ud800', 0.5, NaN, 2 ** 53, 1n, null, () => 1, deep, cycle]
    let value: unknown
    const engine = await open({
      policies: 'permit(principal, action, resource);',
      request: () => ({ context: { value } }) as object,
    })
    // Told to Cedar, some 1,500 of them end it.
    for (let turn = 0; turn < 300; turn++) {
      for (value of unreadable) expect(engine.decide(question())).toBe(false)
    }
    expect(errors).toHaveLength(300 * unreadable.length)
    expect(errors[0]).toMatchObject({ engine: 'cedar', policy: null, method: 'GET' })
    value = { '\udfff': 1 }
    expect(engine.decide(question())).toBe(false)
    value = 'good'
    expect(engine.decide(question())).toBe(true)
  })

  test('refuses what Cedar finds wrong with it', async () => {
    let context: object = {}
    const engine = await open({
      policies: 'permit(principal, action, resource);',
      request: () => ({ context }) as object,
    })
    expect(engine.decide(question())).toBe(true)
    context = { ip: { __extn: { fn: 'ip', arg: 'no address' } } }
    expect(engine.decide(question())).toBe(false)
    expect(errors).toMatchObject([{ policy: null }])
  })

  test('fails when `request` or `entities` do', async () => {
    const fail = (): never => {
      throw new Error('not today')
    }
    for (const options of [{ request: fail }, { entities: fail }]) {
      const engine = await open(options)
      expect(() => engine.decide(question())).toThrow('not today')
    }
  })
})

describe('a schema', () => {
  const policies = POLICIES

  test('lets pass policies and requests that fit', async () => {
    const engine = await open({ policies, schema: SCHEMA })
    expect(engine.decide(question())).toBe(true)
    const put = (risk: string): boolean =>
      engine.decide(
        question({ spiffeId: ROOT, method: 'PUT', attributes: { 'headers.risk': risk } }),
      )
    expect([put('low'), put('high')]).toEqual([true, false])
  })

  test('refuses requests that do not fit', async () => {
    const engine = await open({ policies, schema: SCHEMA })
    const asked = [
      question({ spiffeId: ROOT, method: 'DELETE' }),
      question({ spiffeId: ROOT, method: 'PUT' }),
      question({ attributes: { 'headers.unknown': 'x' } }),
    ]
    expect(asked.map((it) => engine.decide(it))).toEqual([false, false, false])
    expect(errors).toMatchObject([{ policy: null }, { policy: null }, { policy: null }])
  })

  test('refuses callers of a type that may not do it, whatever policies permit', async () => {
    const principal = { type: 'Route', id: '/orders' }
    const engine = await open({
      policies: 'permit(principal, action, resource);',
      schema: SCHEMA,
      request: () => ({ principal }),
      entities: () => [{ uid: principal, attrs: {}, parents: [] }],
    })
    expect(engine.decide(question())).toBe(false)
    expect(errors).toMatchObject([{ policy: null }])
  })

  test.each([
    ['that is broken', 'entity Workload'],
    ['without an attribute that policies read', SCHEMA.replace('risk: String', 'other: String')],
    ['without an action that policies name', SCHEMA.replace('"GET /orders/:id"', '"GET /order"')],
    ['by which a policy may fail', SCHEMA.replace('risk: String', 'risk?: String')],
  ])('%s does not boot', async (_what, schema) => {
    await expect(open({ policies, schema })).rejects.toMatchObject({ code: 'invalid-policy' })
  })
})

const bad: readonly [what: string, policies: string][] = [
  ['nothing', ''],
  ['a comment', '// permit(principal, action, resource);'],
  ['half of them', POLICIES.slice(0, 150)],
  ['a template', 'permit(principal == ?principal, action, resource);'],
  ['two of one name', '@id("a") permit(principal,action,resource);'.repeat(2)],
  [
    'two of one name, given and counted',
    'permit(principal,action,resource); @id("policy0") permit(principal,action,resource);',
  ],
]

describe('policies in a file', () => {
  test.each(bad)('do not boot: %s', async (_what, policies) => {
    await expect(open({ policies })).rejects.toMatchObject({ code: 'invalid-policy' })
  })

  test('do not boot when the file is not there, or is no UTF-8', async () => {
    const file = scene.pathOf('policies.cedar')
    await expect(open({ policies: { file } })).rejects.toMatchObject({ code: 'invalid-policy' })
    await writeFile(file, Buffer.from([0x2f, 0x2f, 0xff]))
    await expect(open({ policies: { file } })).rejects.toMatchObject({ code: 'invalid-policy' })
  })

  test.each(bad)('that are bad leave the last good ones: %s', async (_what, policies) => {
    const file = scene.pathOf('policies.cedar')
    await writeFile(file, POLICIES)
    const engine = await open({ policies: { file } })
    const version = engine.policyVersion()
    await writeFile(file, policies)
    await expect(engine.reload()).rejects.toMatchObject({ code: 'invalid-policy' })
    expect(scene.told).toEqual([{ engine: 'cedar', version, code: 'invalid-policy' }])
    expect([engine.policyVersion(), engine.decide(question())]).toEqual([version, true])
  })

  test('and a schema come by themselves when they are watched', async () => {
    const [file, schema] = [scene.pathOf('policies.cedar'), scene.pathOf('app.cedarschema')]
    await writeFile(file, POLICIES)
    await writeFile(schema, SCHEMA)
    const engine = await open({ policies: { file }, schema: { file: schema }, watch: true })
    const next = scene.pathOf('next')
    await writeFile(next, SECOND)
    const changed = nextEvent()
    await rename(next, file)
    expect(await changed).toEqual({ engine: 'cedar', code: null, version: engine.policyVersion() })
    expect(engine.decide(question())).toBe(false)
    expect(engine.decide(question({ tenantName: 'zenith' }))).toBe(true)
  })

  test('decide no request by half, while they are replaced under load', async () => {
    // Either edition alone lets in everybody; anything in between would refuse.
    const edition = (n: number): string =>
      ['a', 'b', 'c', 'd']
        .map((it) => `permit(principal, action == Action::"GET /${it}", resource);`)
        .concat(`forbid(principal, action, resource) when { !(context has edition${n}) };`)
        .join('\n')
    const file = scene.pathOf('policies.cedar')
    await writeFile(file, edition(0))
    let version = ''
    const engine = await open({
      policies: { file },
      request: () => ({ context: { [`edition${editions.get(version)}`]: 1 } }),
    })
    const editions = new Map([[engine.policyVersion(), 0]])
    const swap = async (): Promise<void> => {
      for (let turn = 1; turn <= 10; turn++) {
        await writeFile(file, edition(turn % 2))
        await engine.reload()
      }
    }
    const swapping = swap()
    let refused = 0
    for (let turn = 0; scene.told.length < 10 && turn < 1_000_000; turn++) {
      version = engine.policyVersion()
      if (!editions.has(version)) editions.set(version, 1)
      for (const route of ['/a', '/b', '/c', '/d']) {
        if (!engine.decide(question({ route }))) refused++
      }
      await new Promise(setImmediate)
    }
    await swapping
    expect(editions.size).toBe(2)
    expect(refused).toBe(0)
  })

  test('refuse everybody once the engine is closed', async () => {
    const engine = await open()
    expect(engine.decide(question())).toBe(true)
    engine.close()
    expect(engine.decide(question())).toBe(false)
  })
})

describe('the names under which Cedar keeps policies', () => {
  test('are taken by one at a time, and hold nothing in between', () => {
    const held = new Map<string, unknown>()
    const slots = new PreparedPolicyPool({
      preparsePolicySet: (name, { staticPolicies }) => held.set(name, staticPolicies),
      preparseSchema: () => undefined,
    })
    const [a, b] = [slots.take(), slots.take()]
    expect(a).not.toBe(b)
    slots.release(a)
    expect(held.get(a)).toBe('')
    expect(slots.take()).toBe(a)
    expect(slots.take()).not.toBe(b)
    expect(slots.count).toBe(3)
  })

  // A thousand versions are for `test:engines`.
  test('are no more after fifty versions, good and bad, than after one', async () => {
    const slots = new PreparedPolicyPool(wasm)
    const parts = { cedar: wasm, slots, engine: 'cedar' }
    const prepare = async (policies: string, schema: string | null): Promise<CedarPolicies> =>
      await CedarPolicies.prepare({ policies, schema, version: '' }, parts)
    let current = await prepare(POLICIES, SCHEMA)
    for (let version = 0; version < 50; version++) {
      await expect(prepare(POLICIES, 'entity')).rejects.toThrow(TypeError)
      const next = await prepare(version % 2 === 0 ? SECOND : POLICIES, null)
      current.dispose()
      current = next
    }
    // A schema and three sets, beside three sets.
    expect(slots.count).toBeLessThanOrEqual(8)
  })
})

describe('in a service', () => {
  test('a thousand requests at once get each its own answer', async () => {
    await using app = await service(await open(), { reads: ['headers.risk'] })
    const callers = [
      ['spiffe://example.org/acme/web', 'GET', 200],
      ['spiffe://example.org/zenith/web', 'GET', 403],
      [ROOT.toString(), 'PUT', 403],
      [ROOT.toString(), 'GET', 200],
    ] as const
    const calls = Array.from({ length: 1000 }, async (_, turn) => {
      const [caller, method, expected] = callers[turn % callers.length]!
      const { statusCode } = await injectAs(app, caller, { method, url: `/orders/${turn}` })
      return statusCode === expected
    })
    expect((await Promise.all(calls)).filter((it) => it)).toHaveLength(1000)
    // Whoever leaves out the header is refused, and the engine is no worse for it.
    expect(app.authz.engines()).toMatchObject([
      { allowed: 500, denied: 500, failed: 0, breaker: 'closed' },
    ])
  })
})

describe('options', () => {
  test.each<[string, object, string?]>([
    ['none at all', {}],
    ['unknown', { policies: POLICIES, policy: POLICIES }, 'unknown-option'],
    ['policies', { policies: [POLICIES] }],
    ['policies: nothing', { policies: {} }],
    ['policies: more than a file', { policies: { file: 'x', directory: 'y' } }],
    ['schema', { policies: POLICIES, schema: {} }],
    ['request', { policies: POLICIES, request: {} }],
    ['entities', { policies: POLICIES, entities: [] }],
    ['watch', { policies: { file: 'x' }, watch: 1 }],
    ['watch without a file', { policies: POLICIES, watch: true }],
    ['v8CrashGuard', { policies: POLICIES, v8CrashGuard: 'off' }],
    ['policyVersion', { policies: POLICIES, policyVersion: 1 }],
  ])('are refused when wrong: %s', async (_what, options, code = 'invalid-option') => {
    await expect(cedar(options as CedarOptions)).rejects.toMatchObject({ code })
  })
})
