import { injectAs } from '@fastify-spiffe/peer/test-kit'
import { peer } from '@fastify-spiffe/peer'
import { afterEach, describe, expect, test } from '@jest/globals'
import Fastify, { type FastifyInstance, type FastifyServerOptions, type HTTPMethods } from 'fastify'
import { fastifyPlugin } from 'fastify-plugin'
import { authz, AuthzError, type PolicyDocument, protect, type RouteRule } from '../index.ts'
import { reasonsDuring } from '../events.test.helper.ts'

const WEB = 'spiffe://example.org/acme/web'
const API = 'spiffe://example.org/acme/api'
const FOR_WEB: RouteRule = { allow: [WEB] }
const OPEN: RouteRule = { public: { reason: 'a test' } }
const ruled = { config: { spiffe: FOR_WEB } }
const ok = (): string => 'in'
const FORGIVING = { caseSensitive: false, ignoreDuplicateSlashes: true, ignoreTrailingSlash: true }

const apps: FastifyInstance[] = []
afterEach(async () => {
  await Promise.all(apps.splice(0).map((app) => app.close()))
})

function application(options: FastifyServerOptions = {}): FastifyInstance {
  const app = Fastify(options)
  apps.push(app)
  return app
}

/** Both plugins, on the instance that it is given: without fastify-plugin, that is a child. */
async function plugins(instance: FastifyInstance): Promise<void> {
  await instance.register(peer)
  await instance.register(authz)
}

/** With two routes that were declared before the plugin. */
async function withDocument(routes: PolicyDocument['routes']): Promise<FastifyInstance> {
  const app = application()
  app.options('*', ok)
  app.get('/health/:id', ok)
  await app.register(peer)
  await app.register(authz, { policy: { version: '1', ...(routes && { routes }) } })
  return app
}

async function errorOf(app: FastifyInstance): Promise<AuthzError> {
  const error: unknown = await app.ready().then(
    () => undefined,
    (thrown: unknown) => thrown,
  )
  if (error instanceof AuthzError) return error
  throw new Error('it booted, or failed otherwise', { cause: error })
}

async function uncoveredBy(app: FastifyInstance): Promise<readonly string[]> {
  const error = await errorOf(app)
  expect(error.code).toBe('uncovered-routes')
  return (error.routes ?? []).map(({ reason, method, url }) => `${reason} ${method} ${url}`)
}

async function statusOf(
  app: FastifyInstance,
  url: string,
  caller: string | null = WEB,
  method: HTTPMethods = 'GET',
): Promise<number> {
  return (await injectAs(app, caller, { method, url })).statusCode
}

describe('where the plugins stand in a child', () => {
  test('routes elsewhere keep the application from becoming ready, with a rule and without', async () => {
    const app = application()
    app.get('/before', ruled, ok)
    app.register(plugins)
    app.register(async (sibling) => {
      sibling.get('/sibling', ruled, ok)
      sibling.get('/bare', ok)
      await sibling.register(async (nested) => void nested.post('/nested', ok), { prefix: '/deep' })
    })
    app.get('/version', { constraints: { version: '1.0.0' } }, ok)
    app.options('*', ok)
    app.get('/a/*', ok)
    app.get('/b/*', ok)
    expect((await uncoveredBy(app)).toSorted()).toEqual([
      'out-of-reach GET, HEAD /a/*',
      'out-of-reach GET, HEAD /b/*',
      'out-of-reach GET, HEAD /bare',
      'out-of-reach GET, HEAD /before',
      'out-of-reach GET, HEAD /sibling',
      'out-of-reach GET, HEAD /version',
      'out-of-reach OPTIONS *',
      'out-of-reach POST /deep/nested',
    ])
  })

  test('the error names the cure', async () => {
    const app = application()
    app.register(plugins)
    app.get('/', ok)
    const { message } = await errorOf(app)
    expect(message).toContain('fastify-plugin')
    expect(message).toContain('outermost')
  })

  test('an application that is registered as a whole, as `fastify start` does, works', async () => {
    const app = application()
    app.register(async (whole) => {
      await plugins(whole)
      whole.get('/', ruled, ok)
      await whole.register(async (child) => void child.get('/child', ruled, ok))
    })
    for (const url of ['/', '/child']) {
      expect(await statusOf(app, url)).toBe(200)
      expect(await statusOf(app, url, API)).toBe(403)
    }
    expect(await statusOf(app, '/none')).toBe(404)
  })

  test('two of them guard each their own routes', async () => {
    const app = application()
    for (const [prefix, allow] of [
      ['/web', WEB],
      ['/api', API],
    ] as const) {
      app.register(
        async (child) => {
          await plugins(child)
          child.get('/', { config: { spiffe: { allow: [allow] } } }, ok)
        },
        { prefix },
      )
    }
    expect(await statusOf(app, '/web')).toBe(200)
    expect(await statusOf(app, '/web/')).toBe(200)
    expect(await statusOf(app, '/web', API)).toBe(403)
    expect(await statusOf(app, '/api', API)).toBe(200)
    expect(await statusOf(app, '/api')).toBe(403)
  })

  test('a not-found handler elsewhere is never run, and one within as its rule says', async () => {
    const app = application()
    const ran: string[] = []
    app.register(
      async (guarded) => {
        await guarded.register(peer)
        await guarded.register(authz, { notFound: { allow: [WEB] } })
        guarded.setNotFoundHandler((request) => void ran.push(request.url))
      },
      { prefix: '/in' },
    )
    app.register(
      async (sibling) => sibling.setNotFoundHandler((request) => void ran.push(request.url)),
      { prefix: '/out' },
    )
    app.setNotFoundHandler((request) => void ran.push(request.url))
    const reasons = await reasonsDuring(async () => {
      expect(await statusOf(app, '/out/none')).toBe(404)
      expect(await statusOf(app, '/none')).toBe(404)
      expect(await statusOf(app, '/none', WEB, 'OPTIONS')).toBe(404)
      expect(await statusOf(app, '/in/none', API)).toBe(403)
    })
    expect(ran).toEqual([])
    expect(reasons).toEqual(['not-found', 'not-found', 'not-found', 'not-allowed'])
  })

  test('a route that the router does not print answers nobody', async () => {
    const app = application()
    // Both are printed as `/:id`, so that the tree shows one of them.
    app.get('/::id', ok)
    app.register(async (child) => {
      await plugins(child)
      child.get('/:id', ruled, ok)
    })
    expect(await statusOf(app, '/x')).toBe(200)
    expect(await statusOf(app, '/:id')).toBe(401)
  })
})

describe('what a later onRoute hook changes', () => {
  const changes: readonly [string, (route: Record<string, unknown>) => void][] = [
    ['config', (route) => (route['config'] = { rateLimit: 1 })],
    ['config', (route) => delete route['config']],
    ['config', (route) => (route['config'] = JSON.parse(JSON.stringify(route['config'])))],
    ['config.spiffe', ({ config }) => delete (config as { spiffe?: unknown }).spiffe],
    [
      'config.spiffe',
      (route) => (route['config'] = { ...(route['config'] as object), spiffe: OPEN }),
    ],
    [
      'config.spiffe',
      ({ config }) => (config as { spiffe: { allow: string[] } }).spiffe.allow.push(API),
    ],
    ['url', (route) => (route['url'] = '/elsewhere')],
    ['method', (route) => (route['method'] = 'POST')],
    ['constraints', (route) => (route['constraints'] = { version: '1.0.0' })],
  ]

  test.each(changes)(
    'of %s keeps the application from becoming ready (%#)',
    async (changed, change) => {
      const app = application({ exposeHeadRoutes: false })
      await plugins(app)
      app.addHook('onRoute', (route) => change(route as unknown as Record<string, unknown>))
      app.get('/orders', { config: { spiffe: { allow: [WEB] } } }, ok)
      const error = await errorOf(app)
      expect(error.routes).toContainEqual(
        expect.objectContaining({ reason: 'changed', changed, method: 'GET', url: '/orders' }),
      )
      expect(error.message).toContain('...route.config')
    },
  )

  test('cannot give a route the rule of another', async () => {
    const app = application({ exposeHeadRoutes: false })
    await plugins(app)
    const configs: unknown[] = []
    app.addHook('onRoute', (route) => {
      configs.push(route.config)
      route.config = configs[0] as NonNullable<typeof route.config>
    })
    app.get('/open', { config: { spiffe: OPEN } }, ok)
    app.get('/orders', ruled, ok)
    expect(await uncoveredBy(app)).toEqual(['changed GET /orders'])
  })

  test('is let be where the rule does not depend on it', async () => {
    const app = application()
    await plugins(app)
    app.addHook('onRoute', (route) => {
      const { handler } = route
      route.config = Object.assign({}, route.config, { rateLimit: 1 })
      route.onRequest = []
      route.onError = []
      route.handler = function wrapped(request, reply) {
        return handler.call(this, request, reply)
      }
      Object.freeze(route.config)
    })
    const shared = Object.freeze({ spiffe: Object.freeze({ allow: Object.freeze([WEB]) }) })
    app.register(async (child) => void child.get('/', { config: shared }, ok), { prefix: '/p' })
    app.get('/o/:id?', { config: shared }, ok)
    for (const url of ['/p', '/p/', '/o', '/o/1']) {
      expect(await statusOf(app, url)).toBe(200)
      expect(await statusOf(app, url, WEB, 'HEAD')).toBe(200)
      expect(await statusOf(app, url, API)).toBe(403)
    }
  })

  test('is let be as well where the router takes several URLs for the same', async () => {
    const app = application({ routerOptions: FORGIVING })
    await plugins(app)
    app.addHook('onRoute', (route) => void Object.assign(route, { onError: [] }))
    app.get('/Orders//All/', ruled, ok)
    app.get('/:Id/Bills', ruled, ok)
    expect(await statusOf(app, '/orders/all')).toBe(200)
    expect(await statusOf(app, '/1/bills', API)).toBe(403)
  })

  test('or what is written into a configuration while requests run, lets nobody in', async () => {
    const app = application()
    let open: object = {}
    app.addHook('onRequest', async ({ routeOptions }) => {
      if (routeOptions.url === '/open') open = { ...routeOptions.config }
      else Object.assign(routeOptions.config, open, { url: '/orders', spiffe: OPEN })
    })
    await plugins(app)
    app.get('/orders', ruled, ok)
    app.get('/open', { config: { spiffe: OPEN } }, ok)
    expect(await statusOf(app, '/open', null)).toBe(200)
    expect(await statusOf(app, '/orders', null)).toBe(401)
    expect(await statusOf(app, '/orders', API)).toBe(403)
  })

  test('does not come into force with the next policy document', async () => {
    const app = application()
    await plugins(app)
    const allow = [WEB]
    app.get('/', { config: { spiffe: { allow } } }, ok)
    await app.ready()
    allow.push(API)
    await app.authz.reload({ version: '2' })
    expect(await statusOf(app, '/', API)).toBe(403)
  })
})

describe('the path of a prefix, with a slash at its end', () => {
  test('goes with the rule that a policy document names for the one without, HEAD as well', async () => {
    const app = application()
    await app.register(peer)
    await app.register(authz, { policy: { routes: { 'GET /p': FOR_WEB } } })
    await app.register(async (child) => void child.get('/', ok), { prefix: '/p' })
    for (const method of ['GET', 'HEAD'] as const) {
      for (const url of ['/p', '/p/']) {
        expect(await statusOf(app, url, WEB, method)).toBe(200)
        expect(await statusOf(app, url, API, method)).toBe(403)
      }
    }
  })

  test('and does not where it is a route of its own', async () => {
    const app = application()
    await app.register(peer)
    const routes = { 'GET /p': OPEN, 'GET /q': FOR_WEB, 'HEAD /q/': OPEN }
    await app.register(authz, { policy: { routes, prefixes: { '/p': FOR_WEB } } })
    app.get('/p', ok)
    const options = { prefixTrailingSlash: 'slash' } as const
    await app.register(async (child) => void child.get('/', options, ok), { prefix: '/p' })
    await app.register(async (child) => void child.get('/', ok), { prefix: '/q' })
    expect(await statusOf(app, '/p', null, 'HEAD')).toBe(200)
    expect(await statusOf(app, '/p/', API, 'HEAD')).toBe(403)
    expect(await statusOf(app, '/q/', null, 'HEAD')).toBe(200)
    expect(await statusOf(app, '/q', API, 'HEAD')).toBe(403)
  })

  test('has its rule where Fastify writes the slash into the configuration, as older releases do', async () => {
    const app = application()
    app.addHook('onRequest', async ({ url, routeOptions }) => {
      Object.assign(routeOptions.config, { url })
    })
    await plugins(app)
    await app.register(async (child) => void child.get('/', ruled, ok), { prefix: '/p' })
    expect(await statusOf(app, '/p/')).toBe(200)
    expect(await statusOf(app, '/p/', API)).toBe(403)
    expect(await statusOf(app, '/p', API)).toBe(403)
  })
})

describe('a route that was declared before the plugin', () => {
  test('has the rule that the policy document names for it', async () => {
    const app = await withDocument({ 'OPTIONS *': OPEN, 'GET /health/:id': FOR_WEB })
    expect(await statusOf(app, '/anything', null, 'OPTIONS')).toBe(200)
    expect(await statusOf(app, '/health/1')).toBe(200)
    expect(await statusOf(app, '/health/1', WEB, 'HEAD')).toBe(200)
    expect(await statusOf(app, '/health/1', API)).toBe(403)
    expect(app.authz.table().routes.map(({ method, route }) => `${method} ${route}`)).toEqual([
      'OPTIONS *',
      'GET /health/:id',
      'HEAD /health/:id',
    ])
    await expect(app.authz.reload({ version: '2' })).rejects.toMatchObject({
      code: 'uncovered-routes',
    })
    await app.authz.reload({ routes: { 'OPTIONS *': OPEN, 'GET /health/:id': { allow: [API] } } })
    expect(await statusOf(app, '/health/1')).toBe(403)
  })

  test('has one with its optional parameter, and one without', async () => {
    for (const base of ['/o', '/o/:x', '']) {
      const app = application()
      app.get(`${base}/:id?`, ok)
      await app.register(peer)
      const routes = { [`GET ${base}/:id`]: FOR_WEB, [`GET ${base || '/'}`]: OPEN }
      await app.register(authz, { policy: { routes } })
      const path = base.replace(':x', 'x')
      expect(await statusOf(app, `${path}/1`)).toBe(200)
      for (const asked of [`${path}/1`, ...(path === '' ? [] : [`${path}/`])]) {
        expect(await statusOf(app, asked, API)).toBe(403)
      }
      expect(await statusOf(app, path || '/', API)).toBe(200)
    }
  })

  test('has it where the router takes several URLs for the same', async () => {
    const app = application({ routerOptions: FORGIVING })
    app.get('/Health//Live/', ok)
    await app.register(peer)
    await app.register(authz, { policy: { routes: { 'GET /health/live': FOR_WEB } } })
    for (const url of ['/health/live', '/HEALTH/Live/']) {
      expect(await statusOf(app, url)).toBe(200)
      expect(await statusOf(app, url, API)).toBe(403)
    }
  })

  test('does not boot without one, whatever stands under prefixes', async () => {
    const app = application()
    app.options('*', ok)
    await app.register(peer)
    await app.register(authz, { policy: { prefixes: { '/': OPEN } } })
    expect(await uncoveredBy(app)).toEqual(['not-seen OPTIONS *'])
  })

  test('answers nobody by the document if it has a rule of its own, or its instance has', async () => {
    const app = application()
    app.get('/own', ruled, ok)
    await app.register(async (child) => {
      protect(child, FOR_WEB)
      child.get('/group', ok)
    })
    await app.register(peer)
    await app.register(authz, { policy: { routes: { 'GET /own': OPEN, 'GET /group': OPEN } } })
    for (const url of ['/own', '/group']) {
      expect(await statusOf(app, url, null)).toBe(401)
      expect(await statusOf(app, url)).toBe(403)
    }
  })
})

describe('the list of uncovered routes', () => {
  test('leaves out what Fastify adds, and shows patterns as they are declared', async () => {
    const app = application()
    app.options('*', ok)
    await app.register(async (child) => void child.get('/', ok), { prefix: '/early' })
    await plugins(app)
    await app.register(async (child) => void child.get('/', ok), { prefix: '/p' })
    expect(await uncoveredBy(app)).toEqual([
      'no-rule GET /p',
      'not-seen GET, HEAD /early',
      'not-seen OPTIONS *',
    ])
  })

  test('names the plugin that declares a route, where that is known', async () => {
    const app = application()
    await plugins(app)
    async function billing(instance: FastifyInstance): Promise<void> {
      instance.get('/invoices', ok)
      await instance.register(
        fastifyPlugin(async (it: FastifyInstance) => void it.get('/more', ok)),
      )
      await instance.register(async (it) => void it.get('/nameless', ok))
      // As a module with `export default` has it.
      const exported = { default: async (it: FastifyInstance) => void it.get('/exported', ok) }
      await instance.register(exported.default)
    }
    await app.register(billing)
    app.get('/own', ok)
    const { routes = [], message } = await errorOf(app)
    expect(routes.map(({ url, plugin }) => [url, plugin])).toEqual([
      ['/invoices', 'billing'],
      ['/more', 'billing'],
      ['/nameless', undefined],
      ['/exported', undefined],
      ['/own', undefined],
    ])
    expect(message).toContain('plugin billing')
    for (const cure of ['config: { spiffe', 'protect()', 'prefixes', 'onRoute'])
      expect(message).toContain(cure)
  })
})

describe('an application that prints its routes in its own way', () => {
  // Fastify passes it to its router, but its types leave it out.
  const routerOptions = { caseSensitive: true, buildPrettyMeta: () => ({}) }

  test('boots when all of its routes are known, and no others', async () => {
    const app = application({ routerOptions })
    await plugins(app)
    app.get('/o/:id?', ruled, ok)
    app.get('/::literal', ruled, ok)
    await app.register(async (child) => void child.get('/', ruled, ok), { prefix: '/p' })
    await app.ready()

    const other = application({ routerOptions })
    other.get('/missed', ruled, ok)
    other.register(plugins)
    expect(await uncoveredBy(other)).toEqual(['not-shown GET, HEAD /missed'])
  })
})
