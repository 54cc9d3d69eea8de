import { once } from 'node:events'
import net from 'node:net'
import type { ConnectionOptions } from 'node:tls'
import { mintRootCa, type MintedCa, type MintedCertificate } from '@fastify-spiffe/authority'
import { beforeAll, describe, expect, test } from '@jest/globals'
import type { HandshakeFailedEvent, SvidServerOptions } from '../index.ts'
import { call, dial, HeldSource, mintMaterial, Loopback, record } from '../loopback.test.helper.ts'

const HOST = '127.0.0.1'

let authority: MintedCa
let source: HeldSource
let web: MintedCertificate

beforeAll(async () => {
  ;({ authority, source, web } = await mintMaterial())
})

/** What is told of a first handshake that fails. */
async function failuresOf(
  options: SvidServerOptions,
  attempt: (port: number, loopback: Loopback) => unknown,
): Promise<HandshakeFailedEvent[]> {
  const events = record('spiffe:server:handshake-failed')
  await using loopback = await Loopback.serve(source, options)
  const failed = once(loopback.server, 'tlsClientError')
  await attempt(loopback.port, loopback)
  await failed
  return events.stop() as HandshakeFailedEvent[]
}

function offer(options: ConnectionOptions) {
  return (port: number): void => void dial(port, web, options).on('error', () => undefined)
}

function say(bytes: string) {
  return (port: number): void =>
    void net
      .connect(port, HOST)
      .on('error', () => undefined)
      .write(bytes)
}

describe('a handshake that fails is reported with its cause and cure', () => {
  test.each<[string, string, SvidServerOptions, (port: number) => void]>([
    ['a client of TLS 1.2', 'tls-version', {}, offer({ maxVersion: 'TLSv1.2' })],
    ['plain HTTP', 'plain-http', {}, say('GET / HTTP/1.1\r\nHost: x\r\n\r\n')],
    ['a request for a tunnel', 'plain-http', {}, say('CONNECT x:1 HTTP/1.1\r\nHost: x\r\n\r\n')],
    ['another protocol', 'not-tls', {}, say('SSH-2.0-OpenSSH_9.2 and more\r\n')],
    [
      'an application protocol that is not spoken',
      'no-application-protocol',
      { http2: true },
      offer({ ALPNProtocols: ['http/1.1'] }),
    ],
    [
      'a cipher suite that is not spoken',
      'no-shared-cipher',
      {},
      offer({ ciphers: 'TLS_AES_128_CCM_SHA256' }),
    ],
    [
      'a signature algorithm that is not spoken',
      'no-shared-cipher',
      {},
      offer({ sigalgs: 'ed25519' }),
    ],
    ['silence', 'handshake-timeout', { handshakeTimeoutMs: 50 }, say('')],
    [
      'a client that hangs up',
      'client-gone',
      {},
      (port) =>
        void net
          .connect(port, HOST)
          .on('error', () => undefined)
          .end(),
    ],
  ])('%s: %s', async (_case, code, options, attempt) => {
    const [event] = await failuresOf(options, attempt)
    expect(event).toMatchObject({ code, message: expect.stringMatching(/: /) })
    expect(Object.isFrozen(event)).toBe(true)
  })

  test('no SVID to present: no-svid', async () => {
    const events = await failuresOf({}, (port, { server }) => {
      source.put({ svid: null, state: 'denied' })
      queueMicrotask(() => offer({})(port))
      expect(server.listening).toBe(true)
    })
    source.put({ svid: (await authority.mint('spiffe://example.org/server')).toX509Svid() })
    expect(events).toMatchObject([{ code: 'no-svid' }])
  })

  test('a client without ALPN where only HTTP/2 is spoken: no-application-protocol', async () => {
    const events = record('spiffe:server:handshake-failed')
    await using loopback = await Loopback.serve(source, { http2: true })
    const socket = dial(loopback.port, web, { ALPNProtocols: undefined })
    socket.on('error', () => undefined).resume()
    await once(socket, 'close')
    expect(events.stop()).toMatchObject([{ code: 'no-application-protocol' }])
  })

  test('a flood of one kind does not hide another', async () => {
    const now = Date.now()
    const events = record('spiffe:server:handshake-failed')
    await using loopback = await Loopback.serve(source, { clock: () => now })
    const flood = async (act: (port: number) => void): Promise<void> => {
      const failed = once(loopback.server, 'tlsClientError')
      act(loopback.port)
      await failed
    }
    for (let clients = 0; clients < 20; clients++) await flood(say('GET / HTTP/1.1\r\n\r\n'))
    await flood(offer({ maxVersion: 'TLSv1.2' }))
    const told = (events.stop() as HandshakeFailedEvent[]).filter(({ message }) => message !== null)
    expect(told.map(({ code }) => code)).toEqual([...Array(10).fill('plain-http'), 'tls-version'])
  })
})

describe('a peer that is rejected is reported with the SPIFFE ID that it claims', () => {
  test('verified by nobody, and only where the reason is reported', async () => {
    const stranger = await mintRootCa('foreign.test')
    const material = await stranger.mint('spiffe://foreign.test/acme/web')
    const now = Date.now()
    const events = record('spiffe:peer:rejected')
    await using loopback = await Loopback.serve(source, { clock: () => now })
    for (let clients = 0; clients < 11; clients++) await call(loopback.port, material)
    await call(loopback.port, null)
    const told = events.stop()
    expect(told[0]).toMatchObject({
      code: 'unknown-trust-domain',
      claimedSpiffeId: 'spiffe://foreign.test/acme/web',
    })
    expect(told[10]).toMatchObject({ message: null, claimedSpiffeId: null })
    expect(told[11]).toMatchObject({ code: 'no-certificate', claimedSpiffeId: null })
  })
})
