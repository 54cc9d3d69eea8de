import { assertKnown } from '../option-readers.ts'
import type { Engine } from '../engines/engine.ts'

/**
 * The settings that all engines share. Meaning, bounds and defaults are those of {@link Engine}.
 */
export type EngineSettings = Partial<Omit<Engine, 'cost' | 'decide' | 'close'>>

const KEYS: readonly (keyof EngineSettings)[] = [
  'name',
  'reads',
  'timeoutMs',
  'maxInFlight',
  'slowMs',
  'breaker',
  'onError',
  'staleIfErrorMs',
  'policyVersion',
]

/**
 * Refuses what is neither an option of the engine itself nor one of any engine. The values of the latter are checked
 * where the engine is registered.
 *
 * @throws {PolicyError} `unknown-option`
 */
export function checkEngineKeys(engine: string, options: object, own: readonly string[]): void {
  assertKnown(engine, options, [...own, ...KEYS])
}
