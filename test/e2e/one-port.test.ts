import type { AddressInfo } from 'node:net'
import { Authority, type InProcessSource } from '@fastify-spiffe/authority'
import { codedErrorOf, createDispatcher } from '@fastify-spiffe/fetch'
import { createGrpcClient, GrpcServer, healthDefinition } from '@fastify-spiffe/grpc'
import { makeClientConstructor, type ServiceError } from '@grpc/grpc-js'
import { afterEach, beforeEach, expect, test } from '@jest/globals'
import Fastify, { type FastifyInstance } from 'fastify'
import { authz, peer, spiffeServer, svid } from 'fastify-spiffe'

const ORDERS = 'spiffe://example.org/acme/orders'
const WEB = 'spiffe://example.org/acme/web'

const HealthClient = makeClientConstructor(healthDefinition, 'grpc.health.v1.Health')

let authority: Authority
let source: InProcessSource
let web: InProcessSource
let grpc: GrpcServer
let app: FastifyInstance

beforeEach(async () => {
  authority = await Authority.create({ trustDomain: 'example.org' })
  source = await authority.source(ORDERS)
  web = await authority.source(WEB)
  grpc = await GrpcServer.open({ source, health: { allow: [WEB] } })
  app = Fastify(spiffeServer(source, { grpc }))
  await app.register(svid, { source })
  await app.register(peer)
  await app.register(authz)
  app.get('/', { config: { spiffe: { allow: [WEB] } } }, ({ raw, spiffeId }) => [
    raw.httpVersion,
    String(spiffeId),
  ])
})

afterEach(async () => {
  await app.close()
  await grpc.close()
  for (const it of [source, web, authority]) await it[Symbol.asyncDispose]()
})

/** What a call of the health service is answered with: the number of its status, or the code of why it was not sent. */
function check(port: number, from: InProcessSource, server = ORDERS): Promise<unknown> {
  const client = createGrpcClient(HealthClient, {
    target: `127.0.0.1:${port}`,
    source: from,
    server,
  })
  return new Promise((resolve) => {
    client['Check']!({ service: '' }, (error: ServiceError | null) => {
      const { cause } = error ?? {}
      resolve(cause instanceof Error && 'code' in cause ? cause.code : (error?.code ?? 0))
      client.close()
    })
  })
}

/** What a request is answered with, or the code of why it was not sent. */
async function get(port: number, from: InProcessSource, server = ORDERS): Promise<unknown> {
  const dispatcher = createDispatcher({ source: from, server, http2: true })
  try {
    const response = await dispatcher.fetch(`https://127.0.0.1:${port}/`)
    return response.ok ? await response.json() : response.status
  } catch (error) {
    return codedErrorOf(error)?.code
  } finally {
    await dispatcher.close()
  }
}

test('Fastify and gRPC answer on one port, by rules of their own, and after rotations of both sides', async () => {
  await app.listen({ host: '127.0.0.1', port: 0 })
  const { port } = app.server.address() as AddressInfo
  const stranger = await authority.source('spiffe://example.org/acme/stranger')
  for (const _ of [1, 2]) {
    expect(await check(port, web)).toBe(0)
    expect(await get(port, web)).toEqual(['1.1', WEB])
    expect([await check(port, stranger), await get(port, stranger)]).toEqual([7, 403])
    // oxlint-disable-next-line no-await-in-loop -- one after another
    await authority.rotateSvids()
  }
  const elsewhere = 'spiffe://example.org/acme/billing'
  expect(await check(port, web, elsewhere)).toBe('server-not-allowed')
  expect(await get(port, web, elsewhere)).toBe('server-not-allowed')
  await stranger.close()
})

test('an application does not listen while a method of its gRPC server has no rule', async () => {
  grpc.addService(
    { Check: { ...healthDefinition.Check, path: '/a.B/Check' } },
    { Check: () => undefined },
  )
  await expect(app.listen({ host: '127.0.0.1', port: 0 })).rejects.toMatchObject({
    code: 'uncovered-methods',
    methods: ['/a.B/Check'],
  })
})
