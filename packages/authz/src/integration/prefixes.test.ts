import { peer } from '@fastify-spiffe/peer'
import { injectAs } from '@fastify-spiffe/peer/test-kit'
import { afterEach, describe, expect, test } from '@jest/globals'
import Fastify, { type FastifyInstance, type FastifyServerOptions } from 'fastify'
import { authz, type PolicyDocument, protect } from '../index.ts'

const WEB = 'spiffe://example.org/acme/web'
const OPS = 'spiffe://example.org/ops/one'
const POLICY: PolicyDocument = {
  prefixes: {
    '/': { anyAuthenticated: true },
    '/admin': { allow: [OPS], deny: [WEB] },
  },
}
const LAX = { routerOptions: { caseSensitive: false, ignoreDuplicateSlashes: true } }

const apps: FastifyInstance[] = []
afterEach(async () => {
  await Promise.all(apps.splice(0).map((app) => app.close()))
})

async function application(
  declare: (app: FastifyInstance) => unknown,
  options: FastifyServerOptions = {},
  policy: PolicyDocument = POLICY,
): Promise<FastifyInstance> {
  const app = Fastify(options)
  await app.register(peer)
  await app.register(authz, { policy })
  await declare(app)
  await app.ready()
  apps.push(app)
  return app
}

const handler = (): string => 'in'
const status = async (app: FastifyInstance, as: string, url: string): Promise<number> =>
  (await injectAs(app, as, url)).statusCode

describe('a route that can match below a prefix and does not stand there', () => {
  test.each([
    '/admin*',
    '/*',
    '*',
    '/:area/keys',
    '/:area',
    '/:area?',
    '/:area/*',
    '/:a:b/keys',
    '/:area(^[a-z]+$)/keys',
    '//admin/keys',
    '/%61dmin/keys',
  ])('keeps the application from booting while a prefix alone gives its rule: %s', async (url) => {
    const booting = application((app) => app.get(url, handler))
    await expect(booting).rejects.toMatchObject({
      code: 'invalid-rule',
      message: expect.stringContaining('prefixes["/admin"]'),
    })
  })

  test.each([
    ['/ADMIN*', LAX],
    ['/:area/keys', LAX],
    ['/Admin*', { caseSensitive: false }],
  ])('does so in whichever place the router has its options: %s', async (url, options) => {
    const booting = application((app) => app.get(url, handler), options)
    await expect(booting).rejects.toMatchObject({ code: 'invalid-rule' })
  })

  test('does so below the prefix of an instance, without a slash between', async () => {
    const booting = application((app) =>
      app.register(async (admin) => admin.get('*', handler), { prefix: '/admin' }),
    )
    await expect(booting).rejects.toMatchObject({ code: 'invalid-rule' })
  })

  test('does so when another document is put in force, and the former one stays', async () => {
    const app = await application(
      (it) => it.get('/:area/keys', handler),
      {},
      {
        prefixes: { '/': { anyAuthenticated: true } },
      },
    )
    await expect(app.authz.reload(POLICY)).rejects.toMatchObject({ code: 'invalid-rule' })
    expect(await status(app, WEB, '/x/keys')).toBe(200)
  })

  test.each<[string, (app: FastifyInstance) => unknown, PolicyDocument?]>([
    [
      'in the code',
      (app) => app.get('/:area/keys', { config: { spiffe: { anyAuthenticated: true } } }, handler),
    ],
    [
      'in the document',
      (app) => app.get('/:area/keys', handler),
      { ...POLICY, routes: { 'GET /:area/keys': { anyAuthenticated: true } } },
    ],
    [
      'of its instance',
      (app) =>
        app.register(async (inner) => {
          protect(inner, { anyAuthenticated: true })
          inner.get('/:area/keys', handler)
        }),
    ],
  ])(
    'may have a rule of its own, %s, and lets in no caller that the prefix denies',
    async (...it) => {
      const [, declare, policy] = it
      const app = await application(declare, {}, policy)
      expect(await status(app, WEB, '/admin/keys')).toBe(403)
      expect(await status(app, OPS, '/admin/keys')).toBe(200)
    },
  )
})

test('a prefix holds for what the router takes for the same path', async () => {
  const app = await application((it) => {
    it.get('/Admin/keys', handler)
    it.get('//admin//users', handler)
    it.get('/orders', handler)
  }, LAX)
  for (const url of [
    '/admin/keys',
    '/ADMIN/KEYS',
    '//admin/keys',
    '/admin//users',
    '/%61dmin/keys',
  ]) {
    expect([url, await status(app, WEB, url)]).toEqual([url, 403])
    expect([url, await status(app, OPS, url)]).toEqual([url, 200])
  }
  expect(await status(app, WEB, '/Orders')).toBe(200)
})

test('routes that cannot match below a prefix are none of its business', async () => {
  const app = await application((it) => {
    it.get('/administration', handler)
    it.get('/orders/:id', handler)
    it.get(String.raw`/:id(^\d+$)/keys`, handler)
    it.get('/:name.png', handler)
  })
  for (const url of ['/administration', '/orders/1', '/17/keys', '/a.png']) {
    expect(await status(app, WEB, url)).toBe(200)
  }
})
