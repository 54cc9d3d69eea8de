import { peer } from '@fastify-spiffe/peer'
import { injectAs } from '@fastify-spiffe/peer/test-kit'
import { afterEach, expect, test } from '@jest/globals'
import Fastify, { type FastifyInstance, type FastifyRequest } from 'fastify'
import {
  type AttributeProvider,
  authz,
  type AuthzOptions,
  type Explanation,
  type RouteRule,
  where,
} from '../index.ts'

const WEB = 'spiffe://example.org/acme/web'
const API = 'spiffe://example.org/acme/api'

const apps: FastifyInstance[] = []
afterEach(async () => {
  await Promise.all(apps.splice(0).map((app) => app.close()))
})

/** An application that explains each request that was answered. */
async function explaining(options: AuthzOptions, declare: (app: FastifyInstance) => unknown) {
  const app = Fastify()
  apps.push(app)
  await app.register(peer)
  let request: FastifyRequest | undefined
  app.addHook('onResponse', async (it) => {
    request = it
  })
  await app.register(authz, options)
  await declare(app)
  return async (as: string, url: string, host = 'a.test'): Promise<Explanation> => {
    await injectAs(app, as, { url, headers: { host } })
    if (request === undefined) throw new Error('nothing was answered')
    return app.authz.explain(request)
  }
}

test('a request is explained by the rule of its own route, among several of the same pattern', async () => {
  const explain = await explaining({}, (app) => {
    for (const [host, caller] of [
      ['a.test', WEB],
      ['b.test', API],
    ] as const) {
      const config = { spiffe: { allow: [caller] } }
      app.get('/', { constraints: { host }, config }, () => 'in')
    }
  })
  expect(await explain(API, '/', 'a.test')).toMatchObject({ decision: 'deny' })
  expect(await explain(API, '/', 'b.test')).toMatchObject({ decision: 'allow' })
})

test('a request that matches no route is explained by `notFound`, or by there being none', async () => {
  const notFound: RouteRule = { allow: [WEB] }
  const ruled = await explaining({ notFound }, () => undefined)
  expect(await ruled(WEB, '/nothing')).toMatchObject({ decision: 'allow', reason: 'allowed' })
  const plain = await explaining({}, () => undefined)
  expect(await plain(WEB, '/nothing')).toMatchObject({ decision: 'deny', reason: 'not-found' })
})

test.each<[string, AttributeProvider['provide'], string]>([
  ['refuses', async () => ({ refused: true }), 'attribute-refused'],
  ['fails', async () => Promise.reject(new Error('no')), 'attribute-failed'],
])('a provider that %s refuses in the explanation too', async (_, provide, reason) => {
  const anything = where(() => true, { reads: ['device.trust'] })
  const explain = await explaining({ attributes: [{ group: 'device', provide }] }, (app) =>
    app.get('/', { config: { spiffe: { anyAuthenticated: true, where: anything } } }, () => 'in'),
  )
  expect(await explain(WEB, '/')).toMatchObject({
    decision: 'deny',
    reason,
    findings: [{ outcome: 'does-not-hold', reason }],
  })
})
