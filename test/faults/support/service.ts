import type { AddressInfo, Server } from 'node:net'
import type { X509MaterialSource } from '@fastify-spiffe/spiffe'
import { identityOf, type ServerIdentity, type SvidServerOptions } from '@fastify-spiffe/tls'
import Fastify from 'fastify'
import { authz, peer, spiffeServer, svid } from 'fastify-spiffe'

/** The SPIFFE ID of the service under test. */
export const ORDERS = 'spiffe://a.test/acme/orders'
/** The SPIFFE ID of whoever may call it. */
export const WEB = 'spiffe://a.test/acme/web'

export interface ServiceOptions extends Pick<
  SvidServerOptions,
  'handshakeTimeoutMs' | 'graceMs' | 'clock'
> {
  /** How long connections may be idle. Default: Fastify's. */
  readonly keepAliveMs?: number
  /** Where log lines go. Default: nowhere. */
  readonly logTo?: { write(line: string): void }
}

/** A service as a reader of the README writes it, on HTTP/1.1 and HTTP/2. */
export class Service implements AsyncDisposable {
  /** What the server presents, and what it has counted. */
  readonly identity: ServerIdentity
  readonly #server: Server
  readonly #close: () => Promise<void>

  private constructor(server: Server, identity: ServerIdentity, close: () => Promise<void>) {
    this.#server = server
    this.identity = identity
    this.#close = close
  }

  static async start(
    source: X509MaterialSource,
    { keepAliveMs, logTo, ...options }: ServiceOptions = {},
  ): Promise<Service> {
    const app = Fastify({
      ...spiffeServer(source, { ...options, http2: true, allowHTTP1: true }),
      ...(keepAliveMs !== undefined && {
        keepAliveTimeout: keepAliveMs,
        http2SessionTimeout: keepAliveMs,
      }),
      ...(logTo !== undefined && { logger: { stream: logTo } }),
    })
    await app.register(svid, { source })
    await app.register(peer)
    await app.register(authz)
    app.get('/orders', { config: { spiffe: { allow: [WEB] } } }, (request) => request.spiffeId)
    await app.listen({ host: '127.0.0.1', port: 0 })
    const identity = identityOf(app.server)
    if (identity === undefined) throw new Error('the server has no identity')
    return new Service(app.server, identity, () => app.close())
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port
  }

  /** How many listeners its server has. */
  get listeners(): number {
    const names = this.#server.eventNames()
    return names.reduce((sum, name) => sum + this.#server.listenerCount(name), 0)
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#close()
  }
}
