import { once } from 'node:events'
import http from 'node:http'
import net from 'node:net'
import { text } from 'node:stream/consumers'
import { setImmediate } from 'node:timers/promises'
import { Authority, type InProcessSource } from '@fastify-spiffe/authority'
import { spiffeServer, svid } from '@fastify-spiffe/svid'
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import Fastify, { type FastifyInstance } from 'fastify'
import { health, type HealthOptions } from './index.ts'

let authority: Authority

beforeAll(async () => {
  authority = await Authority.create({ trustDomain: 'example.org' })
})
afterAll(() => authority.close())

const open = (): Promise<InProcessSource> => authority.source('spiffe://example.org/orders')

interface Answer {
  readonly status: number | undefined
  readonly headers: http.IncomingHttpHeaders
  readonly body: string
}

/** Asks as a kubelet does: plain HTTP to an address, on a new connection, within a second. */
async function probe(address: string | null, path: string): Promise<Answer> {
  const request = http.get(`${address}${path}`, {
    agent: false,
    headers: { 'user-agent': 'kube-probe/1.34', accept: '*/*', connection: 'close' },
    timeout: 1_000,
  })
  const [response] = await once(request, 'response')
  return { status: response.statusCode, headers: response.headers, body: await text(response) }
}

async function application(
  source: InProcessSource,
  options: HealthOptions = {},
): Promise<FastifyInstance> {
  const app = Fastify(spiffeServer(source, { clientCertificate: 'optional', graceMs: 2_000 }))
  await app.register(svid, { source })
  await app.register(health, { port: 0, ...options })
  app.get('/', () => 'orders')
  return app
}

const listen = (app: FastifyInstance): Promise<string> => app.listen({ host: '127.0.0.1', port: 0 })

describe('the port of the probes', () => {
  test('says that the process lives and is ready, to whoever has no certificate', async () => {
    await using source = await open()
    await using app = await application(source)
    await listen(app)
    const { address } = app.health
    const alive = await probe(address, '/livez')
    expect([alive.status, alive.body]).toEqual([200, '{"status":"alive"}'])
    expect(alive.headers).toMatchObject({
      'cache-control': 'no-store',
      'x-content-type-options': 'nosniff',
    })
    const ready = await probe(address, '/readyz')
    expect(ready.status).toBe(200)
    expect(JSON.parse(ready.body)).toMatchObject({
      status: 'ready',
      svid: { state: 'ready', notAfter: source.svid?.notAfter },
      bundles: { count: 1 },
    })
    expect(ready.body).not.toMatch(/example\.org|spiffe:/)
    expect((await probe(address, '/metrics')).status).toBe(404)
    expect((await probe(address, '/')).status).toBe(404)
  })

  test('says before the service listens that it lives, and is not ready', async () => {
    await using source = await open()
    await using app = await application(source)
    await app.ready()
    const { address } = app.health
    expect((await probe(address, '/livez')).status).toBe(200)
    const { status, body } = await probe(address, '/readyz')
    expect([status, JSON.parse(body).reasons]).toEqual([503, [{ code: 'not-listening' }]])
  })

  test('takes no body and no other method', async () => {
    await using source = await open()
    await using app = await application(source)
    await app.ready()
    const request = http.request(`${app.health.address}/readyz`, { method: 'POST', agent: false })
    request.end('x')
    const [response] = await once(request, 'response')
    response.resume()
    expect(response.statusCode).toBe(404)
  })

  test('serves the metrics of a registry, written once for all who ask meanwhile', async () => {
    let written = 0
    const contentType = 'text/plain; version=0.0.4; charset=utf-8'
    const metrics = async (): Promise<string> => {
      written++
      await setImmediate()
      return `spiffe_up ${written}\n`
    }
    await using source = await open()
    await using app = await application(source, { metrics: { contentType, metrics } })
    await app.ready()
    const socket = net.connect(Number(new URL(app.health.address ?? '').port), '127.0.0.1')
    const request = 'GET /metrics HTTP/1.1\r\nhost: pod\r\n'
    socket.write(`${request}\r\n${request}connection: close\r\n\r\n`)
    const answers = await text(socket)
    expect(answers.match(/spiffe_up \d/g)).toEqual(['spiffe_up 1', 'spiffe_up 1'])
    expect(answers.match(/^content-type: .*$/gm)).toEqual(
      Array(2).fill(`content-type: ${contentType}`),
    )
    expect(written).toBe(1)
  })

  test('that is taken keeps the application from starting', async () => {
    const other = net.createServer().listen(0, '127.0.0.1')
    await once(other, 'listening')
    await using source = await open()
    const { port } = other.address() as net.AddressInfo
    await using app = await application(source, { port })
    await expect(app.ready()).rejects.toMatchObject({
      name: 'HealthError',
      code: 'cannot-listen',
      cause: { code: 'EADDRINUSE' },
    })
    other.close()
  })
})

describe('an application', () => {
  test.each<[string, HealthOptions, string]>([
    ['an unknown option', { prot: 1 } as never, 'unknown-option'],
    ['a port that is none', { port: 65_536 }, 'invalid-option'],
    ['an empty host', { host: '' }, 'invalid-option'],
    ['a source that is a promise', { source: Promise.resolve() as never }, 'invalid-option'],
    ['a check that is no function', { checks: { db: true as never } }, 'invalid-option'],
    ['a check without one', { checks: { db: { isRequired: true } as never } }, 'invalid-option'],
    [
      'a check with more',
      { checks: { db: { check: () => true, is: 1 } as never } },
      'unknown-option',
    ],
    ['a check with a name that is no word', { checks: { 'd b': () => true } }, 'invalid-option'],
    ['a registry without metrics', { metrics: { contentType: 'x' } as never }, 'invalid-option'],
    ['a signal that does not ask to end', { endOn: ['SIGKILL'] }, 'invalid-option'],
    ['a negative time', { drainMs: -1 }, 'invalid-option'],
  ])('with %s does not boot', async (_what, options, code) => {
    await using source = await open()
    await using app = Fastify()
    await expect(app.register(health, { source, ...options })).rejects.toMatchObject({ code })
  })

  test('that presents no SVID needs a source', async () => {
    await using app = Fastify()
    await expect(app.register(health, { port: 0 })).rejects.toMatchObject({ code: 'no-source' })
    await using source = await open()
    await using behindGateway = Fastify()
    await behindGateway.register(health, { port: 0, source })
    await listen(behindGateway)
    expect((await probe(behindGateway.health.address, '/readyz')).status).toBe(200)
  })

  test('has one port for probes', async () => {
    await using source = await open()
    await using app = await application(source)
    await expect(app.register(health, { port: 0 })).rejects.toMatchObject({
      code: 'already-registered',
    })
  })

  test('is unready while its source has no SVID, and ready again afterwards', async () => {
    await using source = await open()
    await using app = await application(source)
    await listen(app)
    source.deny()
    const report = await app.health.report()
    expect(report).toMatchObject({ status: 'unready', reasons: [{ code: 'no-svid' }] })
    expect(await app.health.isReady()).toBe(false)
  })
})
