import { createRequire } from 'node:module'
import type { AddressInfo } from 'node:net'
import { fileURLToPath } from 'node:url'
import https from 'node:https'
import { text } from 'node:stream/consumers'
import { Authority, type InProcessSource } from '@fastify-spiffe/authority'
import autoload from '@fastify/autoload'
import cors from '@fastify/cors'
import files from '@fastify/static'
import underPressure from '@fastify/under-pressure'
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import Fastify, { type FastifyInstance } from 'fastify'
import { authz, fastifySpiffe, matchId, peer, spiffeServer, SvidAgent, svid } from 'fastify-spiffe'
import { NodeProcess } from '../support/process.ts'

const ORDERS = 'spiffe://example.org/acme/orders'
const WEB = 'spiffe://example.org/acme/web'
const OTHER = 'spiffe://example.org/acme/other'
const OPEN = { public: { reason: 'a test' } }

let authority: Authority
let source: InProcessSource
let agents: ReadonlyMap<string, SvidAgent>

beforeAll(async () => {
  authority = await Authority.create({ trustDomain: 'example.org' })
  source = await authority.source(ORDERS)
  const entries = [WEB, OTHER].map(async (caller) => {
    const agent = new SvidAgent({ source: await authority.source(caller), server: matchId(ORDERS) })
    return [caller, agent] as const
  })
  agents = new Map(await Promise.all(entries))
})

afterAll(async () => {
  for (const agent of agents.values()) agent.destroy()
  await source.close()
  await authority.close()
})

interface Answer {
  readonly status: number | undefined
  readonly body: string
}

async function call(port: number, path: string, caller = WEB, method = 'GET'): Promise<Answer> {
  const agent = agents.get(caller)!
  const headers = { origin: 'https://console.example.org', 'access-control-request-method': 'GET' }
  return new Promise((resolve, reject) => {
    const options = { host: '127.0.0.1', port, path, method, agent, headers }
    const request = https.request(options, (response) => {
      text(response).then((body) => resolve({ status: response.statusCode, body }), reject)
    })
    request.on('error', reject).end()
  })
}

async function listen(app: FastifyInstance): Promise<number> {
  await app.listen({ host: '127.0.0.1', port: 0 })
  return (app.server.address() as AddressInfo).port
}

const folder = (name: string): string =>
  fileURLToPath(new URL(`applications/${name}`, import.meta.url))

describe('@fastify/autoload', () => {
  test('with a plugin that is wrapped guards all routes', async () => {
    await using app = Fastify(spiffeServer(source)) as unknown as FastifyInstance & AsyncDisposable
    app.register(autoload, { dir: folder('wrapped'), options: { source } })
    app.register(autoload, { dir: folder('routes') })
    const port = await listen(app)
    expect(await call(port, '/orders')).toEqual({ status: 200, body: `hello ${WEB}` })
    expect((await call(port, '/orders/', OTHER)).status).toBe(403)
    expect((await call(port, '/health', OTHER)).status).toBe(200)
    expect((await call(port, '/none')).status).toBe(404)
  })

  test.each(['before', 'after'])(
    'with one that is not, and routes that load %s it, does not listen',
    async (order) => {
      await using app = Fastify(spiffeServer(source)) as unknown as FastifyInstance &
        AsyncDisposable
      app.get('/root', { config: { spiffe: OPEN } }, () => 'root')
      const register = [
        () => void app.register(autoload, { dir: folder('encapsulated'), options: { source } }),
        () => void app.register(autoload, { dir: folder('routes') }),
      ]
      for (const step of order === 'after' ? register : register.toReversed()) step()
      const refusal = await listen(app).then(
        () => null,
        (error: { code: string; routes: readonly { url: string; reason: string }[] }) => error,
      )
      expect(refusal?.code).toBe('uncovered-routes')
      const urls = refusal?.routes.map(({ url, reason }) => `${reason} ${url}`)
      expect(urls?.toSorted()).toEqual([
        'out-of-reach /health',
        'out-of-reach /orders',
        'out-of-reach /root',
      ])
      expect(app.server.listening).toBe(false)
    },
  )
})

describe('fastify start', () => {
  const cli = createRequire(import.meta.url).resolve('fastify-cli/cli.js')

  test.each(['no', 'yes'])(
    'serves the application with its options, over HTTP/2 as well: %s',
    async (http2) => {
      const endpoint = await authority.serve({ identities: [{ spiffeId: ORDERS }] })
      const env = { SPIFFE_ENDPOINT_SOCKET: endpoint.address, HTTP2: http2 }
      const args = ['start', '--options', '--log-level', 'info', '--address', '127.0.0.1']
      await using service = new NodeProcess(cli, env, [...args, '--port', '0', folder('start.js')])
      const [, port] = await service.says(/listening at https:\/\/127\.0\.0\.1:(\d+)/)
      expect(await call(Number(port), '/orders')).toEqual({ status: 200, body: `hello ${WEB}` })
      expect((await call(Number(port), '/orders', OTHER)).status).toBe(403)
      expect((await call(Number(port), '/none')).status).toBe(404)
      const { code } = await service.stop()
      expect(code).toBe(0)
      await endpoint.close()
    },
  )
})

describe('plugins that declare routes of their own', () => {
  test('@fastify/cors answers preflights from before, by the rule of the policy document', async () => {
    await using app = Fastify(spiffeServer(source)) as unknown as FastifyInstance & AsyncDisposable
    await app.register(cors, { origin: 'https://console.example.org' })
    const policy = { routes: { 'OPTIONS *': OPEN } }
    await app.register(fastifySpiffe, { source, policy })
    app.get('/orders', { config: { spiffe: { allow: [WEB] } } }, () => 'orders')
    const port = await listen(app)
    expect((await call(port, '/orders', OTHER, 'OPTIONS')).status).toBe(204)
    expect((await call(port, '/orders', OTHER)).status).toBe(403)
    expect((await call(port, '/orders')).status).toBe(200)
  })

  test('@fastify/cors and @fastify/static are named as those who declare them', async () => {
    await using app = Fastify(spiffeServer(source)) as unknown as FastifyInstance & AsyncDisposable
    await app.register(svid, { source })
    await app.register(peer)
    await app.register(authz)
    await app.register(cors)
    await app.register(files, { root: folder('routes'), prefix: '/assets/' })
    await expect(app.ready()).rejects.toMatchObject({
      code: 'uncovered-routes',
      routes: [
        { method: 'OPTIONS', url: '*', plugin: '@fastify/cors' },
        { url: '/assets/*', plugin: '@fastify/static' },
      ],
    })
  })

  test('@fastify/static is covered by the prefix that it stands under', async () => {
    await using app = Fastify(spiffeServer(source)) as unknown as FastifyInstance & AsyncDisposable
    const policy = { prefixes: { '/assets': { allow: [WEB] } } }
    await app.register(fastifySpiffe, { source, policy })
    await app.register(files, { root: folder('routes'), prefix: '/assets/' })
    const port = await listen(app)
    expect((await call(port, '/assets/orders/index.js')).status).toBe(200)
    expect((await call(port, '/assets/orders/index.js', OTHER)).status).toBe(403)
    expect((await call(port, '/assets/none.js', OTHER)).status).toBe(403)
  })

  test.each([
    ['after', { allowed: 503, refused: 403 }],
    ['before', { allowed: 503, refused: 503 }],
  ])('@fastify/under-pressure %s the identity sheds %j', async (order, expected) => {
    await using app = Fastify(spiffeServer(source)) as unknown as FastifyInstance & AsyncDisposable
    const shed = () =>
      app.register(underPressure, {
        healthCheck: () => Promise.resolve(false),
        healthCheckInterval: 60_000,
      })
    if (order === 'before') await shed()
    await app.register(fastifySpiffe, { source, closeSource: false })
    if (order === 'after') await shed()
    app.get('/orders', { config: { spiffe: { allow: [WEB] } } }, () => 'orders')
    const port = await listen(app)
    const [allowed, refused] = [await call(port, '/orders'), await call(port, '/orders', OTHER)]
    expect({ allowed: allowed.status, refused: refused.status }).toEqual(expected)
  })
})
