import type { SetTimer, X509MaterialSource } from '@fastify-spiffe/spiffe'
import { setReferencedTimer } from '@fastify-spiffe/spiffe/internal'
import { HealthChecks } from './checks.ts'
import { HealthListener } from './listener.ts'
import type { HealthSettings } from './options.ts'
import { reportOf } from './readiness.ts'
import type { HealthReport } from './report.ts'
import { SupplyWatch } from './supply.ts'

/** How long what the checks said stands: whoever reaches the port cannot make them run more often. */
const CHECKS_MAX_AGE_MS = 1_000

/** What is needed of the application: a Fastify of any kind of server. */
interface Application {
  readonly server: { readonly listening: boolean }
  close(): PromiseLike<unknown>
}

/** How an application is, from its start to its end. */
export class ServiceHealth {
  readonly #application: Application
  readonly #settings: HealthSettings
  readonly #setTimer: SetTimer
  readonly #supply: SupplyWatch
  readonly #checks: HealthChecks
  readonly #listener: HealthListener
  #isClosing = false
  #ending: Promise<void> | null = null

  constructor(
    application: Application,
    source: X509MaterialSource,
    settings: HealthSettings,
    setTimer: SetTimer = setReferencedTimer,
  ) {
    const { checks, checkTimeoutMs: timeoutMs, clock } = settings
    this.#application = application
    this.#settings = settings
    this.#setTimer = setTimer
    this.#supply = new SupplyWatch(source, clock)
    this.#checks = new HealthChecks(checks, { timeoutMs, maxAgeMs: CHECKS_MAX_AGE_MS, clock })
    this.#listener = new HealthListener(settings, () => this.report())
  }

  get address(): string | null {
    return this.#listener.address
  }

  get isEnding(): boolean {
    return this.#isClosing || this.#ending !== null
  }

  /** Never rejects. */
  async report(): Promise<HealthReport> {
    const { clock, maxInterruptionMs } = this.#settings
    const checks = await this.#checks.run()
    return reportOf({
      now: clock(),
      isListening: this.#application.server.listening,
      isEnding: this.isEnding,
      supply: this.#supply.current,
      maxInterruptionMs,
      checks,
    })
  }

  end(): Promise<void> {
    this.#ending ??= this.#drainAndClose()
    return this.#ending
  }

  /** @throws {@link HealthError} `cannot-listen` */
  open(): Promise<void> {
    return this.#listener.open()
  }

  /** The application closes, whoever told it to. */
  closing(): void {
    this.#isClosing = true
    // A subscription would keep the plugin svid from closing the source.
    this.#supply.close()
  }

  close(): Promise<void> {
    return this.#listener.close()
  }

  async #drainAndClose(): Promise<void> {
    const { drainMs } = this.#settings
    if (!this.#isClosing) await new Promise<void>((resolve) => this.#setTimer(resolve, drainMs))
    await this.#application.close()
  }
}
