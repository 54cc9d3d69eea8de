import { SpiffeId } from '@fastify-spiffe/spiffe'
import type { Engine, EngineRequest } from '../engines/engine.ts'
import { asFunction } from '../option-readers.ts'
import type { EngineSettings } from './settings.ts'
import type { ReloadablePolicies, PolicySource } from './reloadable-policies.ts'

/** An engine whose policies are in this process. */
export interface LocalEngine extends Engine {
  /** The policies in force, and, after a slash, what the option `policyVersion` says. */
  policyVersion(): string
  /**
   * Reads the policies again, and puts them in force all at once. Resolves with the version in force.
   *
   * @throws {PolicyError} `invalid-policy` when anything is wrong with them: those in force stay
   */
  reload(): Promise<string>
  decide(request: EngineRequest): boolean
  close(): void
}

/**
 * Makes an engine that decides in this process by policies that can be replaced.
 * @throws {PolicyError} `invalid-option`
 */
export function localEngine<S extends PolicySource, P>(
  engine: string,
  settings: EngineSettings,
  policies: ReloadablePolicies<S, P>,
  decide: (policies: P, request: EngineRequest) => boolean,
): LocalEngine {
  const { policyVersion, ...others } = settings
  const alsoBy = asFunction(`${engine}.policyVersion`, policyVersion, () => '')
  return {
    name: engine,
    ...others,
    cost: 'cpu',
    policyVersion:
      policyVersion === undefined
        ? () => policies.version
        : () => `${policies.version}/${alsoBy()}`,
    decide: (request) => decide(policies.current, request),
    reload: () => policies.reload(),
    close: () => policies.close(),
  }
}

/** What policies are asked before they are put in force. */
export const sampleRequest: EngineRequest = Object.freeze({
  spiffeId: SpiffeId.parse('spiffe://example.org/sample'),
  tenant: null,
  method: 'GET',
  route: '/sample',
  attributes: Object.freeze({}),
})
