import type { EngineRequest } from '@fastify-spiffe/policy'
import {
  ReloadablePolicies,
  localEngine,
  type LocalEngine,
} from '@fastify-spiffe/policy/engine-kit'
import { guardAgainstCrash } from './crash-guard.ts'
import { publishError } from './events.ts'
import { type CedarOptions, ENGINE, readOptions } from './options.ts'
import { Unreadable } from './plain-data.ts'
import { CedarPolicies } from './policies.ts'
import { cedarQueryOf } from './request.ts'
import { PreparedPolicyPool } from './prepared-policy-pool.ts'
import { type CedarSource, readSource } from './source.ts'

/** Cedar stores prepared policies per process. */
let slots: PreparedPolicyPool | undefined

/**
 * Evaluates Cedar policies in this process. A request is allowed if a policy permits it and none forbids it. A policy that
 * fails for a request refuses it, whichever policy it is.
 *
 * Resolves when the policies are validated and prepared. Default `name`: `cedar`.
 *
 * @throws {PolicyError} `unknown-option`, `invalid-option`, `invalid-policy`
 */
export async function cedar(options: CedarOptions): Promise<LocalEngine> {
  const [{ policies, schema, mapping, watched, v8CrashGuard }, settings] = readOptions(options)
  guardAgainstCrash(v8CrashGuard, `${ENGINE}.v8CrashGuard`)
  const module = await import('@cedar-policy/cedar-wasm/nodejs')
  slots ??= new PreparedPolicyPool(module)
  const engine = settings.name ?? ENGINE
  const parts = { cedar: module, slots, engine }
  const prepared = await ReloadablePolicies.open<CedarSource, CedarPolicies>({
    engine,
    read: () => readSource(policies, schema),
    prepare: (source) => CedarPolicies.prepare(source, parts),
    dispose: (it) => it.dispose(),
    watched,
  })
  const decide = (current: CedarPolicies, request: EngineRequest): boolean => {
    try {
      const query = cedarQueryOf(request, mapping)
      return current.query(query, (error) => publishError(engine, request, error))
    } catch (error) {
      // Callers must not be able to make the engine look broken.
      if (!(error instanceof Unreadable)) throw error
      publishError(engine, request, { policy: null, message: `the request ${error.message}` })
      return false
    }
  }
  return localEngine(ENGINE, settings, prepared, decide)
}
