import { once } from 'node:events'
import { connect as connectTcp, type Socket } from 'node:net'
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { Authority } from '@fastify-spiffe/authority'
import { BundleSet, matchId } from '@fastify-spiffe/spiffe'
import { connect } from '@fastify-spiffe/tls'
import type { CallerOptions } from '../spire/support/caller.ts'
import { Http1Caller } from '../spire/support/http1-caller.ts'
import { report } from '../spire/support/report.ts'
import { Relay } from '@fastify-spiffe-test/kit/relay'
import { ScriptedSource } from '@fastify-spiffe-test/kit/scripted-source'
import { ORDERS, Service, WEB } from './support/service.ts'
import { Traffic } from './support/traffic.ts'

const HANDSHAKE_TIMEOUT_MS = 1_000
const DEFAULT_TIMEOUT_MS = 10_000
const SILENT_CLIENTS = 1_000

let authority: Authority
let source: ScriptedSource
let caller: ScriptedSource
let service: Service
let patient: Service
let silentSince: number
let silentEnd: Promise<number>

beforeAll(async () => {
  authority = await Authority.create({ trustDomain: 'a.test' })
  source = new ScriptedSource(await authority.issueX509Svid(ORDERS), BundleSet.of(authority.bundle))
  caller = new ScriptedSource(await authority.issueX509Svid(WEB), BundleSet.of(authority.bundle))
  service = await Service.start(source, { handshakeTimeoutMs: HANDSHAKE_TIMEOUT_MS })
  patient = await Service.start(source)
  silentSince = performance.now()
  silentEnd = silentClient(patient.port)
    .then(ending)
    .then(() => performance.now())
})

afterAll(async () => {
  for (const part of [service, patient, source, caller, authority]) {
    await part[Symbol.asyncDispose]()
  }
})

async function silentClient(port: number): Promise<Socket> {
  const socket = connectTcp(port, '127.0.0.1')
  socket.on('error', () => {})
  await once(socket, 'connect')
  return socket
}

/** Resolves when the other side has ended or cut the connection. */
async function ending(socket: Socket): Promise<void> {
  if (socket.destroyed) return
  socket.on('error', () => {}).resume()
  await new Promise((resolve) => socket.once('close', resolve))
}

const relayed = (to = service): Promise<Relay> =>
  Relay.open({ at: { port: 0 }, to: { port: to.port } })

const endpointAt = (port: number): CallerOptions => ({ source: caller, server: ORDERS, port })

const dial = (port: number, timeoutMs = 30_000) =>
  connect({ source: caller, host: '127.0.0.1', port, server: matchId(ORDERS), timeoutMs })

describe('a client', () => {
  test('that connects and sends nothing is closed after the handshake timeout, and counted', async () => {
    const { handshakesFailed } = service.identity.counters
    await ending(await silentClient(service.port))
    expect(service.identity.counters.handshakesFailed).toBe(handshakesFailed + 1)
  })

  test('that sends something else than TLS is closed at once, and counted', async () => {
    const { handshakesFailed } = service.identity.counters
    const socket = await silentClient(service.port)
    const since = performance.now()
    socket.write('GET /orders HTTP/1.1\r\nhost: orders\r\n\r\n')
    await ending(socket)
    expect(performance.now() - since).toBeLessThan(HANDSHAKE_TIMEOUT_MS)
    expect(service.identity.counters.handshakesFailed).toBe(handshakesFailed + 1)
  })

  test('whose handshake drips is let in while it is in time', async () => {
    await using relay = await relayed(patient)
    relay.up.drip(1)
    relay.down.drip(1)
    await using slow = new Http1Caller(endpointAt(relay.port))
    expect(await slow.get('/orders')).toEqual({ status: 200, body: JSON.stringify(WEB) })
  })

  test('whose handshake drips for too long is closed', async () => {
    const { accepted, handshakesFailed } = service.identity.counters
    await using relay = await relayed()
    relay.up.drip(1, 10)
    await expect(dial(relay.port)).rejects.toMatchObject({ code: 'connect-failed' })
    expect(service.identity.counters).toMatchObject({
      accepted,
      handshakesFailed: handshakesFailed + 1,
    })
  })

  test('whose handshake breaks off, at any byte, leaves nothing behind', async () => {
    const { accepted, rejected } = service.identity.counters
    const { open } = service.identity.connections
    for (const bytes of [1, 100, 300, 600]) {
      await using relay = await relayed()
      relay.up.cutAfter(bytes)
      // With TLS 1.3 a client may believe that it is through.
      await dial(relay.port).then(ending, () => {})
      await relay.emptied()
    }
    expect(service.identity.counters).toMatchObject({ accepted, rejected })
    expect(service.identity.connections.open).toBe(open)
  })

  test('that closes its half before its handshake is over is not served', async () => {
    const { accepted } = service.identity.counters
    await using relay = await relayed()
    relay.up.pause()
    const refused = expect(dial(relay.port)).rejects.toMatchObject({ code: 'connect-failed' })
    await relay.nextConnection()
    relay.up.end()
    relay.up.resume()
    await refused
    expect(service.identity.counters.accepted).toBe(accepted)
  })
})

test(`${SILENT_CLIENTS} clients that send nothing keep no good one out, and all are closed`, async () => {
  const { handshakesFailed } = service.identity.counters
  await using traffic = new Traffic(endpointAt(service.port))
  await traffic.progress(5)
  const since = performance.now()
  const silent = await Promise.all(
    Array.from({ length: SILENT_CLIENTS }, () => silentClient(service.port)),
  )
  await Promise.all([...silent.map((socket) => ending(socket)), traffic.progress(10)])
  report(
    `the last of ${SILENT_CLIENTS} silent clients was cut ${Math.round(performance.now() - since)} ms after the first came`,
  )
  expect(service.identity.counters.handshakesFailed).toBe(handshakesFailed + SILENT_CLIENTS)
  expect(await traffic.failures()).toEqual([])
})

test('the handshake timeout is 10 s by default', async () => {
  const seconds = ((await silentEnd) - silentSince) / 1000
  report(`a silent client was cut after ${seconds.toFixed(1)} s`)
  expect(seconds).toBeGreaterThan(DEFAULT_TIMEOUT_MS / 1000 - 0.1)
  expect(seconds).toBeLessThan(DEFAULT_TIMEOUT_MS / 1000 + 5)
})
