import { once } from 'node:events'
import type { Http2SecureServer } from 'node:http2'
import https, { type Server } from 'node:https'
import type { AddressInfo } from 'node:net'
import { TLSSocket, type TlsOptions } from 'node:tls'
import type { MintedCa, MintedCertificate } from '@fastify-spiffe/authority'
import type { X509MaterialSource } from '@fastify-spiffe/spiffe'
import { peer } from '@fastify-spiffe/peer'
import { spiffeServer, type SpiffeServerOptions } from '@fastify-spiffe/svid'
import Fastify, { type FastifyInstance, type RawServerBase } from 'fastify'

/** A service under attack. */
export interface Service extends AsyncDisposable {
  readonly port: number
  readonly server: Server | Http2SecureServer
  /** For whom it took its callers: one for each request that reached a handler. */
  readonly callers: readonly string[]
}

type Settings = SpiffeServerOptions & {
  /** What else the application does. `callers` are those of the service. */
  readonly equip?: (app: FastifyInstance<RawServerBase>, callers: string[]) => void
}

/** A service with fastify-spiffe that answers with the SPIFFE ID of its caller. */
export async function protectedService(
  source: X509MaterialSource,
  { equip, http2, ...options }: Settings = {},
): Promise<Service> {
  const callers: string[] = []
  const app = (
    http2 === true
      ? Fastify(spiffeServer(source, { ...options, http2 }))
      : Fastify(spiffeServer(source, options))
  ) as FastifyInstance<RawServerBase>
  await app.register(peer, options.clock === undefined ? {} : { clock: options.clock })
  app.get('/', async (request) => {
    callers.push(String(request.spiffeId))
    return callers.at(-1)
  })
  equip?.(app, callers)
  await app.listen({ host: '127.0.0.1', port: 0 })
  const server = app.server as Server | Http2SecureServer
  return { ...serviceOf(server, callers, () => app.close()) }
}

/** Mutual TLS as Node does it: all authorities in one list, whichever trust domain they are of. */
export const mutualTls = (
  { certificatesPem, privateKeyPem }: MintedCertificate,
  ...authorities: readonly MintedCa[]
): { cert: string; key: string; ca: string[]; requestCert: true } => ({
  cert: certificatesPem,
  key: privateKeyPem,
  ca: authorities.map(({ certificatePem }) => certificatePem),
  requestCert: true,
})

/** A service on Node's own `https`, which reads the certificate of its caller when a request comes. */
export async function plainService(options: TlsOptions): Promise<Service> {
  const callers: string[] = []
  const server = https.createServer(options, ({ socket }, response) => {
    callers.push(callerOf(socket as TLSSocket))
    response.end(callers.at(-1))
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return serviceOf(server, callers, async () => {
    server.closeAllConnections()
    server.close()
    await once(server, 'close')
  })
}

/** As tutorials do it: who the certificate names, if OpenSSL was content with it. */
function callerOf(socket: TLSSocket): string {
  if (!socket.authorized) return 'nobody'
  const names: string | undefined = socket.getPeerCertificate().subjectaltname
  return names?.replace(/^URI:/, '') ?? 'somebody'
}

function serviceOf(
  server: Server | Http2SecureServer,
  callers: string[],
  close: () => Promise<unknown>,
): Service {
  const sockets = new Set<TLSSocket>()
  server.on('secureConnection', (socket: TLSSocket) => sockets.add(socket))
  return {
    server,
    callers,
    port: (server.address() as AddressInfo).port,
    [Symbol.asyncDispose]: async () => {
      for (const socket of sockets) socket.destroy()
      await close()
    },
  }
}
