import { fork, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import type { IncomingMessage } from 'node:http'
import http2 from 'node:http2'
import https from 'node:https'
import type { Duplex } from 'node:stream'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import { Authority, type InProcessSource } from '@fastify-spiffe/authority'
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { connect, matchId, SvidAgent } from 'fastify-spiffe'

const ORDERS = 'spiffe://example.org/acme/orders'

/** The keep-alive time in Fastify is 72 s, as is the grace of this server: neither is waited for. */
const LIMIT_MS = 40_000

const program = fileURLToPath(new URL('../support/closing-service.js', import.meta.url))

let authority: Authority
let endpoint: string
let web: InProcessSource

beforeAll(async () => {
  authority = await Authority.create({ trustDomain: 'example.org' })
  endpoint = (await authority.serve({ identities: [{ spiffeId: ORDERS }] })).address
  web = await authority.source('spiffe://example.org/acme/web')
})

afterAll(() => authority.close())

const start = async (protocol: 'http/1.1' | 'http2') => {
  const env = { ...process.env, SPIFFE_ENDPOINT_SOCKET: endpoint }
  const child = fork(program, [protocol], { env })
  // A process that does not end fails its test, and does not outlive it.
  const deadline = setTimeout(() => child.kill('SIGKILL'), 50_000)
  child.once('exit', () => clearTimeout(deadline))
  const [url] = await once(child, 'message')
  return { child, port: Number(new URL(String(url)).port) }
}

/** Tells the service to close, and resolves once its process has ended by itself. */
const close = async (child: ChildProcess) => {
  const exit = once(child, 'exit')
  const since = performance.now()
  child.send('close')
  const [code, signal] = await exit
  return { code, signal, isPrompt: performance.now() - since < LIMIT_MS }
}

const ended = { code: 0, signal: null, isPrompt: true }

describe('the process of a service that has closed its application ends by itself', () => {
  test('with a client that keeps its connection', async () => {
    const { child, port } = await start('http/1.1')
    const agent = new SvidAgent({ source: web, server: matchId(ORDERS), keepAlive: true })
    const request = https.get({ host: '127.0.0.1', port, path: '/orders', agent })
    const [response] = (await once(request, 'response')) as [IncomingMessage]
    expect(await text(response)).toBe('hello spiffe://example.org/acme/web')
    expect(await close(child)).toEqual(ended)
    agent.destroy()
  }, 60_000)

  test('with clients over HTTP/2, with and without ALPN', async () => {
    const { child, port } = await start('http2')
    const to = { source: web, host: '127.0.0.1', port, server: matchId(ORDERS) }
    const socket = await connect({ ...to, alpnProtocols: ['h2'] })
    const session = http2.connect('https://localhost', { createConnection: (): Duplex => socket })
    session.on('error', () => undefined)
    expect(await text(session.request({ ':path': '/orders' }))).toMatch(/^hello /)
    const without = await connect(to)
    without.on('error', () => undefined).resume()
    expect(await close(child)).toEqual(ended)
  }, 60_000)
})
