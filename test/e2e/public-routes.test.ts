import { Authority, type InProcessSource } from '@fastify-spiffe/authority'
import { peer } from '@fastify-spiffe/peer'
import { spiffeServer } from '@fastify-spiffe/svid'
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import Fastify, { type FastifyInstance } from 'fastify'
import { authz, type RouteRule } from '@fastify-spiffe/authz'

const OPEN: RouteRule = { public: { reason: 'probes' } }

let authority: Authority
let source: InProcessSource

beforeAll(async () => {
  authority = await Authority.create({ trustDomain: 'example.org' })
  source = await authority.source('spiffe://example.org/acme/orders')
})

afterAll(async () => {
  await source.close()
  await authority.close()
})

interface LogLine {
  readonly level: number
  readonly msg: string
  readonly routes?: readonly string[]
}

async function service(
  clientCertificate: 'required' | 'optional',
  ruled: RouteRule = OPEN,
): Promise<[FastifyInstance, LogLine[]]> {
  const lines: LogLine[] = []
  const stream = { write: (line: string) => void lines.push(JSON.parse(line) as LogLine) }
  const options = spiffeServer(source, { clientCertificate })
  const app = Fastify({ ...options, logger: { level: 'warn', stream } })
  await app.register(peer)
  await app.register(authz, { notFound: OPEN, policy: { routes: { 'GET /ruled': ruled } } })
  app.get('/health', { config: { spiffe: OPEN } }, () => 'ok')
  app.get('/ruled', () => 'ok')
  app.get('/orders', { config: { spiffe: { anyAuthenticated: true } } }, () => 'ok')
  return [app, lines]
}

describe('public routes on a server that demands certificates', () => {
  test('are warned of once, by name, with the cure', async () => {
    const [app, lines] = await service('required')
    await app.ready()
    const code = 'public-behind-certificates'
    const routes = ['GET /health', 'GET /ruled', 'notFound']
    expect(lines).toMatchObject([{ level: 40, code, routes }])
    expect(lines[0]?.msg).toContain("clientCertificate: 'optional'")
    await app.authz.reload({ routes: { 'GET /ruled': { anyAuthenticated: true } } })
    await app.authz.reload({ routes: { 'GET /ruled': OPEN } })
    expect(lines).toHaveLength(1)
    await app.close()
  })

  test('are warned of when another policy document makes them public', async () => {
    const [app, lines] = await service('required', { anyAuthenticated: true })
    await app.ready()
    await app.authz.reload({ routes: { 'GET /ruled': OPEN } })
    expect(lines.map(({ routes }) => routes)).toEqual([['GET /health', 'notFound'], ['GET /ruled']])
    await app.close()
  })

  test('are as they should be where the server lets in callers without one', async () => {
    const [app, lines] = await service('optional')
    await app.ready()
    expect(lines).toEqual([])
    await app.close()
  })
})
