import Fastify, { type FastifyInstance, type FastifyReply } from 'fastify'
import { HealthError } from './errors.ts'
import type { HealthSettings, MetricsRegistry } from './options.ts'
import type { HealthReport } from './report.ts'

/** Whoever reaches the port can hold so many connections, and no more. */
const MAX_CONNECTIONS = 256
/** Probes send a request at once, and are not larger. */
const REQUEST_TIMEOUT_MS = 5_000
const MAX_HEADER_BYTES = 8 * 1024

/** The plain server for probes: without a certificate, without a log, and with nothing to send to it. */
export class HealthListener {
  readonly #server: FastifyInstance
  readonly #settings: Pick<HealthSettings, 'host' | 'port'>

  constructor(settings: HealthSettings, report: () => Promise<HealthReport>) {
    this.#settings = settings
    this.#server = Fastify({
      bodyLimit: 1,
      requestTimeout: REQUEST_TIMEOUT_MS,
      forceCloseConnections: true,
      http: { maxHeaderSize: MAX_HEADER_BYTES, headersTimeout: REQUEST_TIMEOUT_MS },
    })
    this.#server.server.maxConnections = MAX_CONNECTIONS
    this.#server.addHook('onRequest', (_request, reply, done) => {
      reply.headers({ 'cache-control': 'no-store', 'x-content-type-options': 'nosniff' })
      done()
    })
    this.#server.get('/livez', () => ({ status: 'alive' }))
    this.#server.get('/readyz', async (_request, reply) => {
      const found = await report()
      return reply.code(found.status === 'unready' ? 503 : 200).send(found)
    })
    if (settings.metrics !== null) addMetrics(this.#server, settings.metrics)
  }

  /** Where it listens, such as `http://127.0.0.1:8081`; `null` while it does not. */
  get address(): string | null {
    const address = this.#server.server.address()
    if (address === null || typeof address === 'string') return null
    const { family, port } = address
    return `http://${family === 'IPv6' ? `[${address.address}]` : address.address}:${port}`
  }

  /** @throws {@link HealthError} `cannot-listen` */
  async open(): Promise<void> {
    const { host, port } = this.#settings
    try {
      await this.#server.listen({ host, port })
    } catch (cause) {
      const code = cause instanceof Error && 'code' in cause ? ` (${String(cause.code)})` : ''
      const message = `the port of the probes cannot be opened: ${host}, ${port}${code}`
      throw new HealthError('cannot-listen', message, { cause })
    }
  }

  async close(): Promise<void> {
    await this.#server.close()
  }
}

function addMetrics(server: FastifyInstance, registry: MetricsRegistry): void {
  // For all who ask meanwhile: to write them costs more than to send them.
  let pending: Promise<string> | null = null
  server.get('/metrics', async (_request, reply): Promise<FastifyReply> => {
    pending ??= (async () => await registry.metrics())().finally(() => {
      pending = null
    })
    return reply.type(registry.contentType).send(await pending)
  })
}
