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

/** Cedar keeps prepared policies for the whole process. */
let slots: PreparedPolicyPool | undefined

/**
 * Evaluates Cedar policies in this process. Lets in what a policy permits and none forbids; a policy that fails for a
 * request, whichever it is, refuses it.
 *
 * Resolves when the policies are checked and prepared. Needs the package `@cedar-policy/cedar-wasm`. Default `name` `cedar`.
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
  const decide = (current: CedarPolicies, question: EngineRequest): boolean => {
    try {
      const asked = cedarQueryOf(question, mapping)
      return current.query(asked, (error) => publishError(engine, question, error))
    } catch (error) {
      // Callers must not be able to make the engine look broken.
      if (!(error instanceof Unreadable)) throw error
      publishError(engine, question, { policy: null, message: `the request ${error.message}` })
      return false
    }
  }
  return localEngine(ENGINE, settings, prepared, decide)
}
