import { once } from 'node:events'
import tls, { type Server, type TLSSocket } from 'node:tls'
import type { MintedCertificate } from '@fastify-spiffe/authority'
import { beforeAll, describe, expect, test } from '@jest/globals'
import { peerOf } from '../index.ts'
import {
  call,
  callInSession,
  dial,
  HeldSource,
  mintMaterial,
  Loopback,
  portOf,
  record,
} from '../loopback.test.helper.ts'
import { revocationPolicies } from '../options.ts'
import { PeerVerifier } from '../peer/verifier.ts'
import { Acceptor } from './acceptor.ts'
import { ConnectionRegistry } from './connection-registry.ts'
import { serverSettings } from './server-options.ts'

const WEB_ID = 'spiffe://example.org/acme/web'

let source: HeldSource
let web: MintedCertificate

beforeAll(async () => {
  ;({ source, web } = await mintMaterial(WEB_ID))
})

/** A TLS server that hands out tickets, as Node's do, with an acceptor that allows no resumption. */
function ticketServer() {
  const svid = source.svid!
  const server = tls.createServer({
    cert: svid.exportCertificatesPem(),
    key: svid.exportPrivateKeyPem(),
    requestCert: true,
    rejectUnauthorized: false,
    ALPNProtocols: ['http/1.1'],
  })
  const bodies: string[] = []
  server.on('secureConnection', (socket) => {
    bodies.push(String(peerOf(socket)?.spiffeId))
    socket.on('error', () => undefined).resume()
    socket.end('HTTP/1.1 200 OK\r\n\r\nhello')
  })
  const settings = serverSettings({})
  const counters = { accepted: 0, rejected: 0, handshakesFailed: 0 }
  new Acceptor({
    verifier: new PeerVerifier(source, revocationPolicies('soft'), 10),
    connections: new ConnectionRegistry(server, settings),
    counters,
    clientCertificate: 'required',
    allowsResumption: false,
    clock: Date.now,
  }).interpose(server)
  return { server, counters, bodies }
}

async function listening(server: Server): Promise<AsyncDisposable & { readonly port: number }> {
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    port: portOf(server),
    async [Symbol.asyncDispose]() {
      server.close()
      await once(server, 'close')
    },
  }
}

describe('the acceptor', () => {
  test('cuts a resumed session, even where the server beneath it hands out tickets', async () => {
    const rejected = record('spiffe:peer:rejected')
    const { server, counters, bodies } = ticketServer()
    await using at = await listening(server)
    const first = await callInSession(at.port, web)
    const [session] = first.issued
    expect(first).toMatchObject({ body: 'hello', isResumed: false })
    const second = await callInSession(at.port, web, { session: session! })
    expect(second).toMatchObject({ body: null, isResumed: true })
    expect(bodies).toEqual([WEB_ID])
    expect(counters).toEqual({ accepted: 1, rejected: 1, handshakesFailed: 0 })
    expect(rejected.stop()).toMatchObject([{ code: 'session-resumed' }])
  })

  test('says that a peer sent no certificate', async () => {
    const rejected = record('spiffe:peer:rejected')
    await using loopback = await Loopback.serve(source)
    expect(await call(loopback.port, null)).toMatchObject({ body: null })
    expect(rejected.stop()).toMatchObject([{ code: 'no-certificate' }])
  })

  test('does not call a peer without a certificate authorized, nor tell that it was verified', async () => {
    const verified = record('spiffe:peer:verified')
    await using loopback = await Loopback.serve(source, { clientCertificate: 'optional' })
    const accepted = new Promise<TLSSocket>((resolve) => {
      loopback.server.once('secureConnection', resolve)
    })
    const client = dial(loopback.port, null)
    await once(client, 'secureConnect')
    const socket = await accepted
    expect(peerOf(socket)).toBeNull()
    expect(socket.authorized).toBe(false)
    expect(verified.stop()).toEqual([])
    client.destroy()
  })

  test('counts a connection that fails in the making once, and shows it to nobody', async () => {
    const rejected = record('spiffe:peer:rejected')
    const faulty = new HeldSource(source.svid, source.bundles)
    await using loopback = await Loopback.serve(faulty, { http2: true })
    let sessions = 0
    loopback.server.on('session', () => sessions++)
    Object.defineProperty(faulty, 'bundles', {
      get: () => {
        throw new Error('the bundles are out of order')
      },
    })
    expect(await call(loopback.port, web, { protocol: 'h2' })).toMatchObject({ body: null })
    expect(loopback.identity.counters).toMatchObject({ accepted: 0, rejected: 1 })
    expect(sessions).toBe(0)
    expect(rejected.stop()).toMatchObject([{ code: 'internal-error' }])
  })
})
