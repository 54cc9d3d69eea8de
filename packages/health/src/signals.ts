import type { FastifyBaseLogger } from 'fastify'
import type { ServiceHealth } from './service-health.ts'

/**
 * Ends the application when the process is told to. The second signal ends the process at once, as without this.
 * Returns the function that stops listening for them.
 */
export function endOnSignals(
  health: ServiceHealth,
  signals: readonly NodeJS.Signals[],
  log: FastifyBaseLogger,
): () => void {
  const release = (): void => {
    for (const signal of signals) process.off(signal, end)
  }
  function end(signal: NodeJS.Signals): void {
    release()
    log.info({ signal }, 'told to end: unready from now on, and closing soon')
    health.end().catch((error: unknown) => {
      log.error({ err: error }, 'the application could not close')
      process.exitCode = 1
    })
  }
  for (const signal of signals) process.on(signal, end)
  return release
}
