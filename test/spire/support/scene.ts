import { X509Source } from 'fastify-spiffe'
import type { X509MaterialSource } from '@fastify-spiffe/spiffe'
import { SpireServer, Workload } from '../fixture/index.ts'
import type { CallerOptions } from './caller.ts'
import { report } from './report.ts'
import { Service } from './service.ts'

/** The SPIFFE ID of the service. */
export const ORDERS = 'spiffe://a.test/acme/orders'
/** The SPIFFE ID of its caller. */
export const WEB = 'spiffe://a.test/acme/web'

export interface SceneOptions {
  /** How long an SVID of the service lives. Default: SPIRE's. */
  readonly x509SvidTtlMs?: number
  /** Whom `/orders` lets in besides {@link WEB}. */
  readonly allow?: readonly string[]
}

interface SceneParts {
  readonly server: SpireServer
  readonly orders: Workload
  readonly web: Workload
  readonly service: Service
  readonly source: X509Source
}

/** A SPIRE server, the service `acme/orders` on an agent, and its caller `acme/web` on another. */
export class Scene implements AsyncDisposable {
  readonly server: SpireServer
  readonly orders: Workload
  readonly web: Workload
  readonly service: Service
  /** What the caller presents. */
  readonly source: X509Source

  private constructor({ server, orders, web, service, source }: SceneParts) {
    this.server = server
    this.orders = orders
    this.web = web
    this.service = service
    this.source = source
  }

  static async start({ allow = [], ...ttl }: SceneOptions = {}): Promise<Scene> {
    const started: AsyncDisposable[] = []
    const keep = <Part extends AsyncDisposable>(part: Part): Part => {
      started.unshift(part)
      return part
    }
    try {
      const server = keep(await SpireServer.start({ trustDomain: 'a.test' }))
      const orders = keep(await Workload.start({ server, path: '/acme/orders', ...ttl }))
      const web = keep(await Workload.start({ server, path: '/acme/web' }))
      const entered = performance.now()
      const service = keep(await Service.start({ workload: orders, allow: [WEB, ...allow] }))
      report(`the service was up after ${Math.round(performance.now() - entered)} ms`)
      const source = keep(await X509Source.open({ address: web.address }))
      return new Scene({ server, orders, web, service, source })
    } catch (error) {
      await end(started)
      throw error
    }
  }

  /** The service, for a caller with the material of `source`. */
  endpoint(source: X509MaterialSource = this.source): CallerOptions {
    return { source, server: ORDERS, port: this.service.port }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const { source, service, web, orders, server } = this
    await end([source, service, web, orders, server])
  }
}

const end = async (parts: readonly AsyncDisposable[]): Promise<void> => {
  for (const part of parts) await part[Symbol.asyncDispose]()
}
