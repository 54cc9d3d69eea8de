// oxlint-disable unicorn/consistent-function-scoping -- the naive ways stand beside the tests that show them
// Ways around authorization that are known of other systems and of published designs. Each test has the naive way beside
// ours: the first is bypassed, so that the attack is shown to be one, and the second is not.
import { createRequire } from 'node:module'
import {
  authz,
  AuthzError,
  type Check,
  type RouteRule,
  tenantSlug,
  where,
} from '@fastify-spiffe/authz'
import { cedar } from '@fastify-spiffe/engine-cedar'
import { extAuthz } from '@fastify-spiffe/engine-ext-authz'
import type { MintedCa } from '@fastify-spiffe/authority'
import { peer } from '@fastify-spiffe/peer'
import { SpiffeIdMatcher } from '@fastify-spiffe/spiffe'
import { spiffeServer } from '@fastify-spiffe/svid'
import { Server, ServerCredentials } from '@grpc/grpc-js'
import { afterEach, describe, expect, test } from '@jest/globals'
import Fastify, { type FastifyInstance, type RawServerBase } from 'fastify'
import { attempt } from '../attacks/support/attacker.ts'
import { mintNamesake, sourceOf } from '../attacks/support/scene.ts'
import {
  API,
  closeServices,
  decisions,
  GLOBEX,
  service,
  statusOf,
  WEB,
  unguarded,
} from './support/services.ts'

afterEach(closeServices)

const ADMIN = 'spiffe://example.org/acme/admin'

/** A cache as it is written in an afternoon: one map, a key made of whatever comes to mind. */
class NaiveCache {
  readonly #decisions = new Map<string, boolean>()

  decide(key: string, evaluate: () => boolean): boolean {
    const known = this.#decisions.get(key)
    if (known !== undefined) return known
    const decision = evaluate()
    this.#decisions.set(key, decision)
    return decision
  }
}

describe('keys of remembered decisions', () => {
  test('an attribute that is missing from the key lets in by the decision of another request', async () => {
    const isTrusted = (device: string | undefined): boolean => device === 'trusted'

    const naive = new NaiveCache()
    const naively = (device: string) => naive.decide(`${WEB} /`, () => isTrusted(device))
    expect([naively('trusted'), naively('stolen')]).toEqual([true, true])

    const app = await service()
    const condition = where((it) => isTrusted(it['headers.x-device']), {
      reads: ['headers.x-device'],
    })
    app.get('/', { config: { spiffe: { anyAuthenticated: true, where: condition } } }, () => 'in')
    // Read without being declared, it would not be in the key: so it cannot be read.
    const read = ((it: Record<string, unknown>) =>
      isTrusted(String(it['headers.x-device']))) as Check
    const undeclared = { reads: ['method'], check: read } as const
    app.get(
      '/undeclared',
      { config: { spiffe: { anyAuthenticated: true, where: undeclared } } },
      () => 'in',
    )
    const ask = (device: string, url = '/') => statusOf(app, WEB, url, { 'x-device': device })
    expect([await ask('trusted'), await ask('trusted'), await ask('stolen')]).toEqual([
      200, 200, 403,
    ])
    expect(await ask('trusted', '/undeclared')).toBe(403)
  })

  test.each(['$$', '|', ':', ',', ' ', '/', '1:'])(
    'the separator %j in a value makes two requests one',
    async (separator) => {
      const mayRead = (who: string | undefined, what: string | undefined): boolean =>
        who === 'a' && what === `b${separator}c`

      const naive = new NaiveCache()
      const naively = (...values: [string, string]) =>
        naive.decide(values.join(separator), () => mayRead(...values))
      expect(naively('a', `b${separator}c`)).toBe(true)
      expect(naively(`a${separator}b`, 'c')).toBe(true)

      const app = await service()
      const condition = where((it) => mayRead(it['headers.x-who'], it['headers.x-what']), {
        reads: ['headers.x-who', 'headers.x-what'],
      })
      app.get('/', { config: { spiffe: { anyAuthenticated: true, where: condition } } }, () => 'in')
      const ask = (who: string, what: string) =>
        statusOf(app, WEB, '/', { 'x-who': who, 'x-what': what })
      expect(await ask('a', `b${separator}c`)).toBe(200)
      expect(await ask(`a${separator}b`, 'c')).toBe(403)
      expect(app.authz.stats()).toMatchObject({ hits: 0, decisions: 2 })
    },
  )

  const LOOKALIKES = [
    'spiffe://example.org/team-b.staging/web',
    'spiffe://example.org/team-b-staging/web',
    'spiffe://example.org/team-b_staging/web',
    'spiffe://example.org/Team-B.Staging/web',
    'spiffe://example.org/TEAM-B-STAGING/web',
    'spiffe://other.org/team-b-staging/web',
  ] as const
  const tenantIn = (id: string): string => id.split('/')[3]!

  test('a tenant whose name is made uniform is every tenant of a similar name', async () => {
    const [owner] = LOOKALIKES

    const uniform = (id: string): string =>
      tenantIn(id)
        .toLowerCase()
        .replace(/[^a-z0-9-]/g, '-')
    const naive = new NaiveCache()
    const naively = (id: string) => naive.decide(uniform(id), () => id === owner)
    expect(LOOKALIKES.map(naively)).toEqual(LOOKALIKES.map(() => true))

    const app = await service({ tenant: '/{tenant}/{workload}' })
    const condition = where(
      ({ tenant }) => `${tenant.trustDomain.name}/${tenant.name}` === 'example.org/team-b.staging',
      { reads: ['tenant'] },
    )
    app.get('/', { config: { spiffe: { anyAuthenticated: true, where: condition } } }, () => 'in')
    for (const id of LOOKALIKES) expect(await statusOf(app, id)).toBe(id === owner ? 200 : 403)
    expect(app.authz.stats()).toMatchObject({ tenants: LOOKALIKES.length, hits: 0 })
  })

  test('and where a name has to be made a label, no two make the same one', () => {
    const names = [...new Set(LOOKALIKES.map(tenantIn))]
    expect(new Set(names.map(tenantSlug)).size).toBe(names.length)
  })

  const PROTOTYPE_NAMES = ['constructor', '__proto__', 'toString', 'hasOwnProperty', 'valueOf']

  test.each(PROTOTYPE_NAMES)(
    'the tenant %s is found in every object, before anything was decided',
    async (name) => {
      const naive: Record<string, unknown> = {}
      const naively = (tenant: string): boolean => Boolean((naive[tenant] ??= false))
      expect([naively('acme'), naively(name)]).toEqual([false, true])

      const app = await service({ tenant: '/{tenant}/{workload}' })
      const condition = where(() => false, { reads: ['tenant'] })
      app.get('/', { config: { spiffe: { anyAuthenticated: true, where: condition } } }, () => 'in')
      const caller = `spiffe://example.org/${name}/web`
      expect([await statusOf(app, caller), await statusOf(app, caller)]).toEqual([403, 403])
    },
  )

  test.each(PROTOTYPE_NAMES)(
    'an attribute named %s is there although the request does not bring it',
    async (name) => {
      const naively = (query: Record<string, unknown>): boolean => query[name] !== undefined
      expect(naively({})).toBe(true)

      const app = await service()
      const here = where((it) => it[`query.${name}`] !== undefined, { reads: [`query.${name}`] })
      app.get('/', { config: { spiffe: { anyAuthenticated: true, where: here } } }, () => 'in')
      expect(await statusOf(app, WEB, '/')).toBe(403)
    },
  )

  test.each(PROTOTYPE_NAMES)('a role or a policy named %s is granted by nobody', async (name) => {
    const naively = (roles: Record<string, unknown>): boolean => Boolean(roles[name])
    expect(naively({ clerk: [WEB] })).toBe(true)

    const app = await service({ policy: { roles: { clerk: [WEB] } } })
    for (const spiffe of [{ roles: [name] }, name]) {
      expect(() => app.get(`/${typeof spiffe}`, { config: { spiffe } }, () => 'in')).toThrow(
        expect.objectContaining({ code: 'invalid-rule' }),
      )
    }
  })
})

describe('time and remembered decisions', () => {
  test('a decision that every use keeps alive never ends', async () => {
    let now = 0
    let isEntitled = true
    const lifetimeMs = 30_000

    let naive = { allowed: false, endsAt: -1 }
    const naively = (): boolean => {
      const allowed = now < naive.endsAt ? naive.allowed : isEntitled
      naive = { allowed, endsAt: now + lifetimeMs }
      return allowed
    }

    const app = await service({ clock: () => now, random: () => 0.5 })
    const condition = where(() => isEntitled, { reads: [] })
    app.get('/', { config: { spiffe: { anyAuthenticated: true, where: condition } } }, () => 'in')

    expect([naively(), await statusOf(app, WEB)]).toEqual([true, 200])
    isEntitled = false
    for (now = 5000; now < lifetimeMs; now += 5000) {
      expect([naively(), await statusOf(app, WEB)]).toEqual([true, 200])
    }
    expect([naively(), await statusOf(app, WEB)]).toEqual([true, 403])
  })

  test('an answer that an invalidation overtook is remembered, and given to those who come after it', async () => {
    let isEntitled = true
    const waiting: (() => void)[] = []
    /** Reads at once, and answers when the test says so: as a database does. */
    const check = (): Promise<boolean> => {
      const answer = isEntitled
      return new Promise((resolve) => waiting.push(() => resolve(answer)))
    }
    const untilAsked = async (times: number): Promise<void> => {
      while (waiting.length < times) await new Promise(setImmediate)
    }

    const remembered = new Map<string, boolean>()
    const flights = new Map<string, Promise<boolean>>()
    const naively = (key: string): Promise<boolean> => {
      const known = remembered.get(key)
      if (known !== undefined) return Promise.resolve(known)
      const flight =
        flights.get(key) ??
        check().then((answer) => {
          remembered.set(key, answer)
          flights.delete(key)
          return answer
        })
      flights.set(key, flight)
      return flight
    }
    const before = naively(WEB)
    isEntitled = false
    remembered.clear() // the invalidation
    waiting[0]!()
    expect(await before).toBe(true)
    expect(await naively(WEB)).toBe(true) // for as long as it lives

    isEntitled = true
    waiting.length = 0
    const app = await service()
    const condition = where(check, { reads: [], timeoutMs: 60_000 })
    app.get('/', { config: { spiffe: { anyAuthenticated: true, where: condition } } }, () => 'in')
    const overtaken = statusOf(app, WEB)
    await untilAsked(1)
    isEntitled = false
    app.authz.invalidate()
    waiting[0]!()
    await untilAsked(2) // it is asked again
    waiting[1]!()
    expect(await overtaken).toBe(403)
    expect(await statusOf(app, WEB)).toBe(403)
  })
})

describe('answers', () => {
  test.each<[string, unknown]>([
    ['the text false', 'false'],
    ['the text deny', 'deny'],
    ['one', 1],
    ['an empty object', {}],
    ['an empty list', []],
    ['a decision in an object', { allow: false }],
    ['a Boolean object', new Boolean(false)],
    ['a function', () => false],
    ['a promise of a text', Promise.resolve('false')],
  ])('%s counts as yes where only truth is asked for', async (_, answer) => {
    expect(Boolean(await answer)).toBe(true)

    const app = await service({
      engines: [{ name: 'judge', cost: 'io', decide: () => answer as boolean }],
    })
    const condition = { reads: [], check: () => answer as boolean } as const
    app.get('/', { config: { spiffe: { anyAuthenticated: true, where: condition } } }, () => 'in')
    app.get(
      '/engine',
      { config: { spiffe: { anyAuthenticated: true, engines: ['judge'] } } },
      () => 'in',
    )
    using seen = decisions()
    expect([await statusOf(app, WEB), await statusOf(app, WEB, '/engine')]).toEqual([403, 403])
    expect(seen.events.map(({ reason }) => reason)).toEqual([
      'condition-not-boolean',
      'engine-not-boolean',
    ])
  })

  test('a rule that forbids and fails does not forbid where it is skipped', async () => {
    class Broken extends SpiffeIdMatcher {
      matches(): boolean {
        throw new Error('a risk that is not there cannot be compared')
      }
      override toString(): string {
        return 'broken'
      }
    }
    const broken = new Broken()

    const naively = (forbids: readonly Broken[]): boolean =>
      !forbids.some((each) => {
        try {
          return each.matches()
        } catch {
          return false // reported, and skipped
        }
      })
    expect(naively([broken])).toBe(true)

    const app = await service()
    const rule = { anyAuthenticated: true, deny: [broken] } as const
    app.get('/', { config: { spiffe: rule } }, () => 'in')
    using seen = decisions()
    expect(await statusOf(app, WEB)).toBe(403)
    expect(seen.events).toMatchObject([{ decision: 'deny', reason: 'rule-failed' }])
  })

  test('a forbid of Cedar that fails does not forbid, and Cedar says allow', async () => {
    const policies = `
      permit(principal, action, resource);
      forbid(principal, action, resource) when { context.risk > 5 };`
    // It is a dependency of the package's tests, not of these.
    const { isAuthorized } = createRequire(
      new URL('../../../packages/engine-cedar/package.json', import.meta.url),
    )('@cedar-policy/cedar-wasm/nodejs') as {
      isAuthorized: (call: object) => {
        response: { decision: string; diagnostics: { errors: unknown[] } }
      }
    }
    const { response } = isAuthorized({
      principal: { type: 'Workload', id: WEB },
      action: { type: 'Action', id: 'GET /' },
      resource: { type: 'Route', id: '/' },
      context: {},
      policies: { staticPolicies: policies },
      entities: [],
    })
    expect(response.decision).toBe('allow')
    expect(response.diagnostics.errors).toHaveLength(1)

    const app = await service({ engines: [await cedar({ policies })] })
    app.get('/', { config: { spiffe: { anyAuthenticated: true, engines: ['cedar'] } } }, () => 'in')
    expect(await statusOf(app, WEB)).toBe(403)
  })

  test('an empty CheckResponse reads as status 0, which is OK', async () => {
    /** `status.code` as protobuf reads it: a field that is not there has its default. */
    const codeOf = (response: Buffer): number => (response.length === 0 ? 0 : response.at(-1)!)
    const empty = Buffer.alloc(0)
    const denied = Buffer.from([0x0a, 2, 0x08, 7])
    const ok = Buffer.from([0x0a, 0, 0x1a, 0])
    const naively = (response: Buffer): boolean => codeOf(response) === 0
    expect([naively(denied), naively(empty)]).toEqual([false, true])

    const bytes = (buffer: Buffer): Buffer => buffer
    let response = empty
    const server = new Server()
    server.addService(
      {
        Check: {
          path: '/envoy.service.auth.v3.Authorization/Check',
          requestStream: false,
          responseStream: false,
          requestSerialize: bytes,
          requestDeserialize: bytes,
          responseSerialize: bytes,
          responseDeserialize: bytes,
        },
      },
      {
        Check: (_call: unknown, reply: (error: null, value: Buffer) => void) =>
          reply(null, response),
      },
    )
    const port = await new Promise<number>((resolve, reject) => {
      server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, bound) =>
        error === null ? resolve(bound) : reject(error),
      )
    })
    try {
      const app = await service({
        engines: [extAuthz({ target: `127.0.0.1:${port}`, timeoutMs: 10_000 })],
      })
      const use = { engine: 'ext-authz', maxAgeMs: 0 } as const
      app.get('/', { config: { spiffe: { anyAuthenticated: true, engines: [use] } } }, () => 'in')
      using seen = decisions()
      expect(await statusOf(app, WEB)).toBe(403)
      response = denied
      expect(await statusOf(app, WEB)).toBe(403)
      response = ok
      expect(await statusOf(app, WEB)).toBe(200)
      expect(seen.events.map(({ reason }) => reason)).toEqual([
        'engine-failed',
        'engine-denied',
        'allowed',
      ])
    } finally {
      server.forceShutdown()
    }
  })
})

describe('names and rules', () => {
  test.each<[string, string, string, RouteRule]>([
    [
      'a workload whose name begins like another',
      WEB,
      'spiffe://example.org/acme/web-evil',
      { allow: [WEB] },
    ],
    ['a path below a workload', WEB, `${WEB}/evil`, { allow: [WEB] }],
    [
      'a trust domain that begins like another',
      'spiffe://example.org',
      'spiffe://example.org.evil.test/acme/web',
      { allow: [{ memberOf: 'example.org' }] },
    ],
    [
      'a tenant that begins like another',
      'spiffe://example.org/acme',
      'spiffe://example.org/acme-evil/web',
      { allow: ['spiffe://example.org/acme/**'] },
    ],
  ])(
    '%s is let in where the beginning of a text is compared',
    async (_, prefix, attacker, spiffe) => {
      expect([WEB.startsWith(prefix), attacker.startsWith(prefix)]).toEqual([true, true])

      const app = await service()
      app.get('/', { config: { spiffe } }, () => 'in')
      expect([await statusOf(app, WEB), await statusOf(app, attacker)]).toEqual([200, 403])
    },
  )

  test('a route that was forgotten is open where no rule means no restriction', async () => {
    const naive = await unguarded()
    const rules = new Map([['/orders', [WEB]]])
    naive.addHook('onRequest', async (request, reply) => {
      const allowed = rules.get(request.routeOptions.url ?? '')
      if (allowed !== undefined && !allowed.includes(String(request.spiffeId)))
        reply.code(403).send()
    })
    naive.get('/orders', () => 'in')
    naive.get('/keys', () => 'in')
    expect(await statusOf(naive, GLOBEX, '/orders')).toBe(403)
    expect(await statusOf(naive, GLOBEX, '/keys')).toBe(200)

    const app = await service()
    app.get('/orders', { config: { spiffe: { allow: [WEB] } } }, () => 'in')
    app.get('/keys', () => 'in')
    const refusal: unknown = await app.ready().then(
      () => null,
      (error: unknown) => error,
    )
    expect(refusal).toBeInstanceOf(AuthzError)
    expect(refusal).toMatchObject({
      code: 'uncovered-routes',
      routes: [{ method: 'GET', url: '/keys' }],
    })
  })

  test('who only says who he is, in a header, is believed', async () => {
    const headers = { 'x-spiffe-id': ADMIN, 'x-forwarded-client-cert': `By=${ADMIN};URI=${ADMIN}` }

    const naive = await unguarded()
    naive.addHook('onRequest', async (request, reply) => {
      if (request.headers['x-spiffe-id'] !== ADMIN) reply.code(403).send()
    })
    naive.get('/', () => 'in')
    expect(await statusOf(naive, null)).toBe(403)
    expect(await statusOf(naive, null, '/', headers)).toBe(200)

    const app = await service()
    app.get('/', { config: { spiffe: { allow: [ADMIN] } } }, () => 'in')
    expect(await statusOf(app, null, '/', headers)).toBe(401)
    expect(await statusOf(app, API, '/', headers)).toBe(403)
    expect(await statusOf(app, ADMIN)).toBe(200)
  })
})

describe('URLs over a real socket', () => {
  /** What a rule that is matched against the text of the URL has to say of who may see what is under `/admin`. */
  const isAdminUrl = ({ url }: { readonly url: string }): boolean => url.startsWith('/admin')

  async function listening(
    authority: MintedCa,
    equip: (app: FastifyInstance<RawServerBase>) => Promise<void>,
  ): Promise<{ port: number } & AsyncDisposable> {
    const app = Fastify({
      ...spiffeServer(await sourceOf(authority)),
      routerOptions: { ignoreDuplicateSlashes: true, caseSensitive: false },
    })
    await app.register(peer)
    // What is tested here is the same whatever the server.
    await equip(app as unknown as FastifyInstance<RawServerBase>)
    const { port } = new URL(await app.listen({ host: '127.0.0.1', port: 0 }))
    return { port: Number(port), [Symbol.asyncDispose]: () => app.close() }
  }

  const requestOf = (target: string): string =>
    `GET ${target} HTTP/1.1\r\nHost: orders\r\nConnection: close\r\n\r\n`

  test('an encoded, doubled or capital character reaches a route past a rule for the text of its URL', async () => {
    const authority = await mintNamesake('example.org')
    const web = await authority.mint(WEB)
    const admin = await authority.mint(ADMIN)
    await using naive = await listening(authority, async (app) => {
      app.addHook('onRequest', async (request, reply) => {
        if (isAdminUrl(request) && String(request.spiffeId) !== ADMIN) reply.code(403).send()
      })
      app.get('/admin/keys', () => 'keys')
    })
    await using ours = await listening(authority, async (app) => {
      await app.register(authz, { policy: { prefixes: { '/admin': { allow: [ADMIN] } } } })
      app.get('/admin/keys', () => 'keys')
    })
    const attack = async (port: number, target: string, who = web): Promise<string | null> =>
      (await attempt(port, who, { send: requestOf(target) })).body
    for (const target of ['/%61dmin/keys', '//admin/keys', '/ADMIN/keys', '/%61%64%6din/keys']) {
      expect(await attack(naive.port, '/admin/keys')).toBeNull()
      expect(await attack(naive.port, target)).toBe('keys')
      expect(await attack(ours.port, target)).toBeNull()
      expect(await attack(ours.port, target, admin)).toBe('keys')
    }
  }, 30_000)

  test('an encoded slash makes another path of what the router takes for a parameter', async () => {
    const authority = await mintNamesake('example.org')
    const web = await authority.mint(WEB)
    const own = (segments: readonly string[]): boolean => segments[2] === 'acme'
    await using naive = await listening(authority, async (app) => {
      app.addHook('onRequest', async ({ url }, reply) => {
        // Decoded first and split then, as policies do that receive no more than the path.
        if (!own(decodeURIComponent(url).split('/'))) reply.code(403).send()
      })
      app.get('/tenants/:tenant', ({ params }) => (params as { tenant: string }).tenant)
    })
    await using ours = await listening(authority, async (app) => {
      await app.register(authz, {
        tenant: '/{tenant}/{workload}',
        tenants: { trustDomain: 'example.org' },
      })
      const rule = { anyAuthenticated: true, tenant: 'params.tenant' } as const
      app.get('/tenants/:tenant', { config: { spiffe: rule } }, ({ params }) => {
        return (params as { tenant: string }).tenant
      })
    })
    const attack = async (port: number, target: string): Promise<string | null> =>
      (await attempt(port, web, { send: requestOf(target) })).body
    expect(await attack(naive.port, '/tenants/globex')).toBeNull()
    // The policy saw acme; the handler works for `acme/../globex`.
    expect(await attack(naive.port, '/tenants/acme%2f..%2fglobex')).toBe('acme/../globex')
    for (const target of ['/tenants/acme%2f..%2fglobex', '/tenants/acme%2fx', '/tenants/acme%00']) {
      expect(await attack(ours.port, target)).toBeNull()
    }
    expect(await attack(ours.port, '/tenants/acme')).toBe('acme')
    expect(await attack(ours.port, '/tenants/%61cme')).toBe('acme')
  }, 30_000)

  test('a path with dots reaches a wildcard route as it is, which no injected request shows', async () => {
    const authority = await mintNamesake('example.org')
    const web = await authority.mint(WEB)
    await using ours = await listening(authority, async (app) => {
      await app.register(authz)
      app.get('/files/*', { config: { spiffe: { allow: [WEB] } } }, ({ params }) => {
        return (params as { '*': string })['*']
      })
      app.get('/admin', { config: { spiffe: { allow: [ADMIN] } } }, () => 'admin')
    })
    const attack = async (target: string): Promise<string | null> =>
      (await attempt(ours.port, web, { send: requestOf(target) })).body
    // The route, and so the rule, is that of the wildcard: the dots go nowhere.
    expect(await attack('/files/../admin')).toBe('../admin')
    expect(await attack('/admin')).toBeNull()
  }, 30_000)
})
