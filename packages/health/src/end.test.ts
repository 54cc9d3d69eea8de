import { spawn } from 'node:child_process'
import { once } from 'node:events'
import http from 'node:http'
import http2 from 'node:http2'
import https from 'node:https'
import { createInterface } from 'node:readline'
import { text } from 'node:stream/consumers'
import { Authority, type InProcessSource } from '@fastify-spiffe/authority'
import { spiffeServer, svid } from '@fastify-spiffe/svid'
import { HeldTimers } from '@fastify-spiffe-test/kit/held-timers'
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import Fastify from 'fastify'
import { askToLeave } from './drain.ts'
import { health } from './index.ts'
import { readOptions } from './options.ts'
import { ServiceHealth } from './service-health.ts'

let authority: Authority

beforeAll(async () => {
  authority = await Authority.create({ trustDomain: 'example.org' })
})
afterAll(() => authority.close())

const open = (): Promise<InProcessSource> => authority.source('spiffe://example.org/orders')

/** An application whose drain takes as long as a test says. */
async function draining(source: InProcessSource): Promise<{
  server: { listening: boolean }
  service: ServiceHealth
  timers: HeldTimers
  url: string
}> {
  const app = Fastify(
    spiffeServer(source, { clientCertificate: 'optional', http2: true, allowHTTP1: true }),
  )
  const timers = new HeldTimers()
  const settings = readOptions({ port: 0, drainMs: 5_000 })
  const service = new ServiceHealth(app, source, settings, timers.setTimer)
  app.addHook('onRequest', askToLeave(service))
  app.addHook('preClose', async () => service.closing())
  app.get('/', () => 'orders')
  const url = await app.listen({ host: '127.0.0.1', port: 0 })
  return { server: app.server, service, timers, url }
}

/** Without a client certificate, and it verifies nobody: it is the answer that is under test. */
async function ask(url: string, agent: https.Agent): Promise<http.IncomingMessage> {
  const [response] = await once(https.get(url, { agent, rejectUnauthorized: false }), 'response')
  await text(response)
  return response
}

describe('an application that is told to end', () => {
  test('serves on for drainMs, unready, and then closes', async () => {
    await using source = await open()
    const { server, service, timers, url } = await draining(source)
    const agent = new https.Agent({ keepAlive: true })
    expect((await ask(url, agent)).headers.connection).toBe('keep-alive')
    const end = service.end()
    expect(service.end()).toBe(end)
    expect([service.isEnding, timers.delays]).toEqual([true, [5_000]])
    expect(await service.report()).toMatchObject({
      status: 'unready',
      reasons: [{ code: 'ending' }],
    })
    const last = await ask(url, agent)
    expect([last.statusCode, last.headers.connection]).toEqual([200, 'close'])
    timers.fire()
    await end
    expect(server.listening).toBe(false)
    agent.destroy()
  })

  test('answers an HTTP/2 request, and tells its connection to go', async () => {
    await using source = await open()
    const { service, timers, url } = await draining(source)
    const session = http2.connect(url, { rejectUnauthorized: false })
    const ended = service.end()
    const gone = once(session, 'goaway')
    const stream = session.request({ ':path': '/' })
    const [headers] = await once(stream, 'response')
    expect([headers[':status'], await text(stream)]).toEqual([200, 'orders'])
    // NO_ERROR: what is under way ends as usual.
    expect((await gone)[0]).toBe(0)
    timers.fire()
    await ended
    session.destroy()
  })

  test('is unready as soon as somebody else closes it', async () => {
    await using source = await open()
    const app = Fastify(spiffeServer(source))
    await app.register(svid, { source, closeSource: false })
    await app.register(health, { port: 0 })
    let report: unknown
    app.addHook('preClose', async () => {
      report = await app.health.report()
    })
    await app.listen({ host: '127.0.0.1', port: 0 })
    await app.close()
    expect(report).toMatchObject({ status: 'unready', reasons: [{ code: 'ending' }] })
    expect([app.health.address, app.health.isEnding]).toEqual([null, true])
    await app.health.end()
  })

  test.each([
    ['by endOn', "{ port: 0, drainMs: 1, endOn: ['SIGTERM'] }", ''],
    [
      'by close-with-grace',
      '{ port: 0, drainMs: 1 }',
      `
      const { default: closeWithGrace } = await import('close-with-grace')
      closeWithGrace({ delay: 20_000 }, () => app.health.end())`,
    ],
  ])('%s and SIGTERM ends its process, after it was unready', async (_how, options, then) => {
    const program = `
      import { Authority } from '@fastify-spiffe/authority'
      import { health } from '@fastify-spiffe/health'
      import { spiffeServer, svid } from '@fastify-spiffe/svid'
      import Fastify from 'fastify'
      const authority = await Authority.create({ trustDomain: 'example.org' })
      const source = await authority.source('spiffe://example.org/orders')
      const app = Fastify(spiffeServer(source))
      await app.register(svid, { source })
      await app.register(health, ${options})
      app.addHook('onClose', async () => {
        console.log((await app.health.report()).reasons[0].code)
        await authority.close()
      })
      await app.listen({ host: '127.0.0.1', port: 0 })
      ${then}
      console.log('listening')
    `
    const child = spawn(process.execPath, ['--input-type=module', '--eval', program], {
      cwd: import.meta.dirname,
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]()
    expect((await lines.next()).value).toBe('listening')
    const exited = once(child, 'exit')
    child.kill('SIGTERM')
    expect((await lines.next()).value).toBe('ending')
    expect(await exited).toEqual([0, null])
  })
})
