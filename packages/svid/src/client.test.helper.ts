import { once } from 'node:events'
import http2, { type ClientHttp2Session } from 'node:http2'
import { text } from 'node:stream/consumers'
import tls, { type ConnectionOptions, type TLSSocket } from 'node:tls'
import type { X509Svid } from '@fastify-spiffe/spiffe'

/** Who is listening: an address and a port of the loopback interface. */
export interface TestServer {
  readonly host: string
  readonly port: number
}

/** Listens on a free port of 127.0.0.1. */
export async function listen(app: {
  listen(options: { host: string; port: number }): Promise<string>
}): Promise<TestServer> {
  const { hostname, port } = new URL(await app.listen({ host: '127.0.0.1', port: 0 }))
  return { host: hostname, port: Number(port) }
}

/** A TLS client that verifies nothing: it is the server that is under test. */
export async function dial(
  place: TestServer,
  svid: X509Svid | null,
  options: ConnectionOptions = {},
): Promise<TLSSocket> {
  const material =
    svid === null ? {} : { cert: svid.exportCertificatesPem(), key: svid.exportPrivateKeyPem() }
  const socket = tls.connect({ ...place, rejectUnauthorized: false, ...material, ...options })
  await once(socket, 'secureConnect')
  return socket
}

/** Asks for `/` on a new connection; `null` when it is cut without an answer. */
export async function get(place: TestServer, svid: X509Svid | null): Promise<string | null> {
  const socket = await dial(place, svid)
  socket.write('GET / HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n')
  const answer = await text(socket).catch(() => '')
  socket.destroy()
  return answer === '' ? null : answer.slice(answer.indexOf('\r\n\r\n') + 4)
}

export async function dialHttp2(place: TestServer, svid: X509Svid): Promise<ClientHttp2Session> {
  const socket = await dial(place, svid, { ALPNProtocols: ['h2'] })
  const session = http2.connect('https://localhost', { createConnection: () => socket })
  await once(session, 'remoteSettings')
  return session
}

export function getHttp2(session: ClientHttp2Session): Promise<string> {
  return text(session.request({ ':path': '/' }))
}

/** The serial number that the server presents on a new connection. */
export async function presentedSerial(place: TestServer, svid: X509Svid): Promise<string> {
  const socket = await dial(place, svid)
  const serial = socket.getPeerX509Certificate()!.serialNumber.toLowerCase().replace(/^0+/, '')
  socket.destroy()
  return serial
}
