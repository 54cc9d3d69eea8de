import Fastify from 'fastify'
import type { FastifyInstance } from 'fastify'
import { X509Source, authz, peer, spiffeServer, svid } from 'fastify-spiffe'
import type { Workload } from '../fixture/index.ts'

export interface ServiceOptions {
  /** Whose identity the service takes. */
  readonly workload: Workload
  /** The SPIFFE IDs that may call `/orders`. Nobody of these tests may call `/ledger`. */
  readonly allow: readonly string[]
}

/** A service as a reader of the README writes it, on the identity that a real agent serves. */
export class Service implements AsyncDisposable {
  /** What Fastify's instance says of its own SVID. */
  readonly svid: FastifyInstance['svid']
  readonly source: X509Source
  readonly port: number

  readonly #closeApp: () => Promise<void>

  private constructor(
    app: Pick<FastifyInstance, 'svid'> & { close(): Promise<void> },
    source: X509Source,
    port: number,
  ) {
    this.svid = app.svid
    this.source = source
    this.port = port
    this.#closeApp = () => app.close()
  }

  static async start({ workload, allow }: ServiceOptions): Promise<Service> {
    const source = await X509Source.open({ address: workload.address })
    const app = Fastify(spiffeServer(source, { http2: true, allowHTTP1: true }))
    await app.register(svid, { source })
    await app.register(peer)
    await app.register(authz, { tenant: '/{tenant}/{workload}' })
    app.get('/orders', { config: { spiffe: { allow } } }, (request) => ({
      caller: request.spiffeId,
      serialNumber: request.peer?.serialNumber,
    }))
    const ledger = { allow: [`${workload.spiffeId}/bookkeeper`] }
    app.get('/ledger', { config: { spiffe: ledger } }, () => 'the ledger')
    const address = await app.listen({ host: '127.0.0.1', port: 0 })
    return new Service(app, source, Number(new URL(address).port))
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#closeApp()
    await this.source.close()
  }
}
