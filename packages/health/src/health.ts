import type { HealthReport } from './report.ts'
import type { ServiceHealth } from './service-health.ts'

/** The health of an application, as `fastify.health`. A live view. */
export class Health {
  readonly #service: ServiceHealth

  constructor(service: ServiceHealth) {
    this.#service = service
    Object.freeze(this)
  }

  /** Where the probes are answered, such as `http://127.0.0.1:8081`; `null` while they are not. */
  get address(): string | null {
    return this.#service.address
  }

  /** Whether the application is about to end: it serves on, and should get no new traffic. */
  get isEnding(): boolean {
    return this.#service.isEnding
  }

  /** How the application is now. Never rejects. */
  report(): Promise<HealthReport> {
    return this.#service.report()
  }

  /** Whether the application should get traffic, as `healthCheck` of `@fastify/under-pressure` asks. Never rejects. */
  async isReady(): Promise<boolean> {
    const { status } = await this.#service.report()
    return status !== 'unready'
  }

  /**
   * Ends the application gracefully: from now on it is unready, and asks the clients of kept connections to go. After
   * `drainMs` it closes, which answers what is under way. Whoever calls again waits for the same end.
   *
   * It rejects with what `fastify.close()` rejects with.
   */
  end(): Promise<void> {
    return this.#service.end()
  }
}
