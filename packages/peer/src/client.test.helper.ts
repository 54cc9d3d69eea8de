import { once } from 'node:events'
import http2, { type ClientHttp2Session, type IncomingHttpHeaders } from 'node:http2'
import { text } from 'node:stream/consumers'
import tls, { type TLSSocket } from 'node:tls'
import type { X509Svid } from '@fastify-spiffe/spiffe'

/** A listening application. */
export interface TestServer {
  readonly host: string
  readonly port: number
}

export interface Answer {
  readonly status: number
  readonly headers: IncomingHttpHeaders
  readonly body: string
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
  protocol = 'http/1.1',
): Promise<TLSSocket> {
  const material =
    svid === null ? {} : { cert: svid.exportCertificatesPem(), key: svid.exportPrivateKeyPem() }
  const options = { rejectUnauthorized: false, ALPNProtocols: [protocol] }
  const socket = tls.connect({ ...place, ...options, ...material })
  await once(socket, 'secureConnect')
  return socket
}

/** Sends one request on a connection and takes its whole answer, which must fit into one read. */
export async function ask(
  socket: NodeJS.ReadWriteStream,
  path = '/',
  headers: Record<string, string> = {},
  method = 'GET',
): Promise<Answer> {
  const fields = Object.entries({ host: 'localhost', ...headers })
  const lines = fields.map(([name, value]) => `${name}: ${value}\r\n`).join('')
  socket.write(`${method} ${path} HTTP/1.1\r\n${lines}\r\n`)
  const [answer] = await once(socket, 'data')
  return parse(String(answer))
}

function parse(answer: string): Answer {
  const [head = '', body = ''] = answer.split('\r\n\r\n')
  const [statusLine = '', ...lines] = head.split('\r\n')
  const headers = lines.map((line) => line.toLowerCase().split(': '))
  return { status: Number(statusLine.split(' ')[1]), headers: Object.fromEntries(headers), body }
}

export async function dialHttp2(place: TestServer, svid: X509Svid): Promise<ClientHttp2Session> {
  const socket = await dial(place, svid, 'h2')
  const session = http2.connect('https://localhost', { createConnection: () => socket })
  await once(session, 'remoteSettings')
  return session
}

export async function askHttp2(session: ClientHttp2Session, path = '/'): Promise<Answer> {
  const stream = session.request({ ':path': path })
  const [headers]: IncomingHttpHeaders[] = await once(stream, 'response')
  return { status: Number(headers?.[':status']), headers: headers ?? {}, body: await text(stream) }
}
