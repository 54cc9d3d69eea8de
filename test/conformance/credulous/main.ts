import { createServer as createHttpServer, type IncomingMessage } from 'node:http'
import https from 'node:https'
import type { AddressInfo, Server } from 'node:net'
import { once } from 'node:events'
import { text } from 'node:stream/consumers'
import tls, { type SecureContextOptions, type TLSSocket } from 'node:tls'
import { fetchTokens, watchSvids, type Svid } from './workload-api.ts'

// A harness that gets wrong what can be got wrong: it presents whatever it is sent, and believes
// whoever comes. The suite has to find all of it, or its cases prove nothing.

/** The first name of a peer, whatever it is. */
const nameOf = (socket: TLSSocket): string =>
  /URI:([^,]*)/.exec(socket.getPeerCertificate().subjectaltname ?? '')?.[1] ?? 'somebody'

const pem = (label: string, der: Buffer): string =>
  `-----BEGIN ${label}-----\n${der.toString('base64')}\n-----END ${label}-----\n`

/** Whichever comes last, of those with the least hint; without its intermediates, for OpenSSL reads one. */
const contextOf = (svids: readonly Svid[]): SecureContextOptions => {
  const [svid] = svids.toReversed().toSorted((one, other) => (one.hint < other.hint ? -1 : 1))
  if (svid === undefined) return {}
  return { cert: pem('CERTIFICATE', svid.x509Svid), key: pem('PRIVATE KEY', svid.x509SvidKey) }
}

const listen = async (server: Server): Promise<number> => {
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return (server.address() as AddressInfo).port
}

const x509 = tls.createServer({ requestCert: true, rejectUnauthorized: false }, (socket) => {
  socket.on('error', () => undefined)
  socket.resume().end(`${nameOf(socket)}\n`)
})

const dial = async (address: string): Promise<string> => {
  const [host, port] = address.split(':')
  const socket = tls.connect({ host, port: Number(port), rejectUnauthorized: false })
  await once(socket, 'secureConnect')
  socket.on('error', () => undefined)
  socket.end()
  return nameOf(socket)
}

/** Believes a header before the certificate. */
const web = https.createServer(
  { requestCert: true, rejectUnauthorized: false },
  (request, response) => {
    const told = /URI=([^;]*)/.exec(String(request.headers['x-forwarded-client-cert']))?.[1]
    const spiffeId = told ?? nameOf(request.socket as TLSSocket)
    const answer = { spiffeId, proof: 'x509-svid', tenant: null, chain: [] }
    response.end(request.url === '/public' ? 'ok' : JSON.stringify(answer))
  },
)

/** Sends a request to whoever answers. */
const get = async ({ url }: { readonly url: string }): Promise<object> => {
  const [response] = await once(https.get(url, { rejectUnauthorized: false }), 'response')
  const { statusCode, socket } = response as IncomingMessage
  const spiffeId = nameOf(socket as TLSSocket)
  return { status: 'ok', httpStatus: statusCode, body: await text(response), spiffe_id: spiffeId }
}

/** Believes what a token says. */
const subjectOf = (token: string): string => {
  const claims = Buffer.from(token.split('.')[1] ?? '', 'base64url').toString()
  return String((JSON.parse(claims) as { sub?: unknown }).sub)
}

const control = createHttpServer((request, response) => {
  const answer = (code: number, body: object): void =>
    void response.writeHead(code).end(JSON.stringify(body))
  if (request.url === '/v2/http/get' || request.url === '/v2/chain/relay') {
    text(request)
      .then((body) => get(JSON.parse(body) as { url: string }))
      .then(
        (outcome) => answer(200, outcome),
        (error: unknown) => answer(500, { status: 'error', message: String(error) }),
      )
    return
  }
  if (request.url === '/v1/jwt/validate') {
    text(request)
      .then((body) => subjectOf((JSON.parse(body) as { token: string }).token))
      .then((spiffeId) => answer(200, { status: 'ok', spiffe_id: spiffeId }))
      .catch(() => answer(200, { status: 'ok', spiffe_id: 'somebody' }))
    return
  }
  if (request.url === '/v1/jwt/fetch') {
    text(request)
      .then((body) => (JSON.parse(body) as { audience: string[] }).audience)
      .then((audience) => fetchTokens(process.env['SPIFFE_ENDPOINT_SOCKET'] ?? '', audience))
      .then((svids) => answer(200, { status: 'ok', svids }))
      .catch((error: unknown) => answer(500, { status: 'error', message: String(error) }))
    return
  }
  if (request.url !== '/v1/x509/dial') {
    answer(200, { status: 'ok' })
    return
  }
  text(request)
    .then((body) => dial((JSON.parse(body) as { address: string }).address))
    .then(
      (spiffeId) => answer(200, { status: 'ok', spiffe_id: spiffeId }),
      (error: unknown) => answer(422, { status: 'rejected', message: String(error) }),
    )
})

const ports = [await listen(x509), await listen(control), await listen(web)]
let isReady = false

watchSvids(process.env['SPIFFE_ENDPOINT_SOCKET'] ?? '', (svids) => {
  try {
    for (const server of [x509, web]) server.setSecureContext(contextOf(svids))
  } catch {
    for (const server of [x509, web]) server.setSecureContext({})
  }
  if (isReady) return
  isReady = true
  process.stdout.write(
    `hello\nSPIFFE_HARNESS_VERSION=1\nSPIFFE_X509_PORT=${ports[0]}\nSPIFFE_CONTROL_PORT=${ports[1]}\nSPIFFE_HTTP_PORT=${ports[2]}\nREADY\n`,
  )
})
