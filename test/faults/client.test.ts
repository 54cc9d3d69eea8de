import { once } from 'node:events'
import type { IncomingMessage } from 'node:http'
import { request, type RequestOptions } from 'node:https'
import type { AddressInfo } from 'node:net'
import { text } from 'node:stream/consumers'
import { setImmediate } from 'node:timers/promises'
import type { TLSSocket } from 'node:tls'
import { afterAll, afterEach, beforeAll, beforeEach, expect, jest, test } from '@jest/globals'
import { Authority } from '@fastify-spiffe/authority'
import { BundleSet, matchId } from '@fastify-spiffe/spiffe'
import { connect, createSvidServer, SvidAgent } from '@fastify-spiffe/tls'
import { Relay } from '@fastify-spiffe-test/kit/relay'
import { ScriptedSource } from '@fastify-spiffe-test/kit/scripted-source'
import { ORDERS, Service, WEB } from './support/service.ts'

const TIMEOUT_MS = 300

jest.setTimeout(20_000)

let authority: Authority
let source: ScriptedSource
let caller: ScriptedSource
let service: Service
/** Between the client and the service. */
let relay: Relay
let agent: SvidAgent

beforeAll(async () => {
  authority = await Authority.create({ trustDomain: 'a.test' })
  source = new ScriptedSource(await authority.issueX509Svid(ORDERS), BundleSet.of(authority.bundle))
  caller = new ScriptedSource(await authority.issueX509Svid(WEB), BundleSet.of(authority.bundle))
  service = await Service.start(source)
})

afterAll(async () => {
  for (const part of [service, source, caller, authority]) await part[Symbol.asyncDispose]()
})

beforeEach(async () => {
  relay = await Relay.open({ at: { port: 0 }, to: { port: service.port } })
  agent = new SvidAgent({
    source: caller,
    server: matchId(ORDERS),
    keepAlive: true,
    timeoutMs: TIMEOUT_MS,
  })
})

afterEach(async () => {
  agent.destroy()
  await relay[Symbol.asyncDispose]()
})

const dial = (timeoutMs = TIMEOUT_MS): Promise<TLSSocket> =>
  connect({
    source: caller,
    host: '127.0.0.1',
    port: relay.port,
    server: matchId(ORDERS),
    timeoutMs,
  })

/** Makes a request through the agent, and gives the status of the answer. */
async function get(to: RequestOptions = {}): Promise<number | undefined> {
  const usual = { agent, host: '127.0.0.1', port: relay.port, path: '/orders' }
  const call = request({ ...usual, ...to }).end()
  const [response] = (await once(call, 'response')) as [IncomingMessage]
  await text(response)
  return response.statusCode
}

/** What the agent holds: connections at work, idle ones, and requests that wait. */
const pool = () =>
  [agent.sockets, agent.freeSockets, agent.requests].map(
    (held) => Object.values(held).flat().length,
  )

/** The TCP sockets of this process. */
const sockets = (): number =>
  process.getActiveResourcesInfo().filter((kind) => kind === 'TCPSocketWrap').length

/** Resolves when the agent holds nothing: a request may fail a moment before its socket is closed. */
async function emptied(): Promise<void> {
  while (pool().some((count) => count > 0)) await setImmediate()
}

test('a server that hangs in the handshake is given up in time, and the socket with it', async () => {
  relay.down.pause()
  const since = performance.now()
  await expect(dial()).rejects.toMatchObject({ code: 'connect-timeout' })
  expect(performance.now() - since).toBeGreaterThan(TIMEOUT_MS - 10)
  await relay.emptied()
})

test('a request to a server that hangs in the handshake fails in time, and the next one gets through', async () => {
  relay.down.pause()
  await expect(get()).rejects.toMatchObject({ code: 'connect-timeout' })
  await emptied()
  await relay.emptied()
  relay.down.clear()
  expect(await get()).toBe(200)
})

test('a server that drips its handshake for too long is given up in time', async () => {
  relay.down.drip(1, 5)
  await expect(dial()).rejects.toMatchObject({ code: 'connect-timeout' })
  await relay.emptied()
})

test('a server that drips is heard to the end', async () => {
  relay.down.drip(1)
  relay.up.drip(1)
  expect(await get()).toBe(200)
})

test.each([1, 100, 500])(
  'a server that cuts after %d bytes of its handshake is an error, and no leak',
  async (bytes) => {
    relay.down.cutAfter(bytes)
    await expect(dial()).rejects.toMatchObject({ code: 'connect-failed' })
    await relay.emptied()
  },
)

test('a server that half-closes in the handshake is an error at once, and no leak', async () => {
  relay.down.pause()
  const refused = expect(dial(30_000)).rejects.toMatchObject({ code: 'connect-failed' })
  await relay.nextConnection()
  relay.down.end()
  await refused
  await relay.emptied()
})

test('a signal ends a connection that hangs, and the socket with it', async () => {
  relay.down.pause()
  const giveUp = new AbortController()
  const options = { source: caller, host: '127.0.0.1', port: relay.port, server: matchId(ORDERS) }
  const dialled = connect({ ...options, signal: giveUp.signal })
  await relay.nextConnection()
  giveUp.abort(new Error('enough'))
  await expect(dialled).rejects.toThrow('enough')
  await relay.emptied()
})

test('a server that cuts instead of answering fails the request, and leaves no socket', async () => {
  const server = createSvidServer(source, {}, ({ socket }) => socket.destroy())
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  try {
    await expect(get({ port })).rejects.toMatchObject({ code: 'ECONNRESET' })
    await emptied()
  } finally {
    server.close()
  }
})

test('a connection that the server cuts or half-closes while it is idle leaves the pool', async () => {
  for (const fault of [() => relay.cut(), () => relay.down.end()]) {
    expect(await get()).toBe(200)
    const [socket] = Object.values(agent.freeSockets).flat()
    const closed = new Promise((resolve) => socket?.once('close', resolve))
    fault()
    await closed
    expect(pool()).toEqual([0, 0, 0])
  }
  expect(await get()).toBe(200)
})

test('a request on a kept-alive connection that is dead ends by its signal, and the connection with it', async () => {
  expect(await get()).toBe(200)
  relay.down.pause()
  await expect(get({ signal: AbortSignal.timeout(100) })).rejects.toMatchObject({
    name: 'AbortError',
  })
  await emptied()
  relay.down.clear()
  await relay.emptied()
  expect(await get()).toBe(200)
})

test('a server that is away is an error, and is found when it is back', async () => {
  await relay.refuse()
  await expect(get()).rejects.toMatchObject({ code: 'connect-failed' })
  await relay.accept()
  expect(await get()).toBe(200)
})

test('a hundred requests that fail leave no socket', async () => {
  const before = sockets()
  for (let round = 0; round < 100; round++) {
    relay.down.cutAfter(round * 20)
    await get().catch(() => {})
    agent.destroy()
    await relay.emptied()
  }
  expect(pool()).toEqual([0, 0, 0])
  expect(sockets()).toBeLessThanOrEqual(before)
})
