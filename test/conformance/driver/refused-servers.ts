import { createServer as createTcpServer, type Server } from 'node:net'
import tls from 'node:tls'
import type { MintedCa } from '@fastify-spiffe/authority'

/** More than OpenSSL takes in a message of certificates, 102,400 octets. */
const TOO_MUCH = Buffer.alloc(110_000)

/** Servers with which the TLS stack of the harness makes no connection, each for a reason of its own. */
export async function refusedServers(
  home: Pick<MintedCa, 'mint'>,
  spiffeId: string,
): Promise<ReadonlyMap<string, Server>> {
  const good = await home.mint(spiffeId)
  const extraExtensions = [{ oid: '1.3.6.1.4.1.99999.1', value: TOO_MUCH }]
  const large = await home.mint(spiffeId, { extraExtensions })
  const old = { minVersion: 'TLSv1', maxVersion: 'TLSv1.1', ciphers: 'ALL@SECLEVEL=0' } as const
  return new Map<string, Server>([
    ['an older version of TLS', serving(good.certificatesPem, good.privateKeyPem, old)],
    ['too large a certificate', serving(large.certificatesPem, large.privateKeyPem)],
    ['no certificate', quiet(tls.createServer({}))],
    ['a certificate that cannot be read', answering(serverHello(), certificate(Buffer.from('x')))],
    ['an empty certificate', answering(serverHello(), certificate(Buffer.alloc(0)))],
    ['an alert', answering(record(21, Buffer.from([2, 40])))],
    ['plain text', answering(Buffer.from('no TLS here\n'))],
  ])
}

function serving(cert: string, key: string, options: tls.TlsOptions = {}): Server {
  return quiet(tls.createServer({ cert, key, ...options }))
}

function quiet(server: tls.Server): Server {
  return server.on('tlsClientError', (_error, socket) => socket.destroy())
}

/** Answers the first octets that come, whatever they are. */
function answering(...parts: readonly Buffer[]): Server {
  return createTcpServer((socket) => {
    socket.on('error', () => undefined)
    socket.once('data', () => socket.end(Buffer.concat(parts)))
  })
}

const record = (type: number, content: Buffer): Buffer =>
  Buffer.concat([Buffer.from([type, 3, 3, content.length >> 8, content.length & 0xff]), content])

const length = (octets: number): Buffer =>
  Buffer.from([octets >> 16, (octets >> 8) & 0xff, octets & 0xff])

const handshake = (type: number, content: Buffer): Buffer =>
  record(22, Buffer.concat([Buffer.from([type]), length(content.length), content]))

/** RFC 5246 §7.4.1.3: TLS 1.2, ECDHE-ECDSA-AES128-GCM-SHA256, with RFC 5746's renegotiation_info. */
const serverHello = (): Buffer =>
  handshake(
    2,
    Buffer.concat([
      Buffer.from([3, 3]),
      Buffer.alloc(32, 7),
      Buffer.from([0, 0xc0, 0x2b, 0, 0, 5, 0xff, 0x01, 0, 1, 0]),
    ]),
  )

/** RFC 5246 §7.4.2. */
const certificate = (der: Buffer): Buffer =>
  handshake(11, Buffer.concat([length(der.length + 3), length(der.length), der]))
