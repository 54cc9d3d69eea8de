import {
  ReloadablePolicies,
  localEngine,
  sampleRequest,
  type LocalEngine,
  inputOf,
} from '@fastify-spiffe/policy/engine-kit'
import { RegoModule } from './module.ts'
import { ENGINE, type OpaWasmOptions, readOptions } from './options.ts'
import { filesOf, readSource, type WasmSource } from './source.ts'

/**
 * Evaluates Rego in this process, by OPA's interpreter for WebAssembly. The result `true` allows. `false` and a rule that is
 * undefined for the input refuse. Any other result is a failure.
 *
 * Resolves when the policies are compiled and have answered a sample request. Default `name`: `opa-wasm`.
 *
 * @throws {PolicyError} `unknown-option`, `invalid-option`, `invalid-policy`
 */
export async function opaWasm(options: OpaWasmOptions): Promise<LocalEngine> {
  const [{ location, watch, toInput, maxBundleBytes, module }, settings] = readOptions(options)
  const engine = settings.name ?? ENGINE
  const policies = await ReloadablePolicies.open<WasmSource, RegoModule>({
    engine,
    read: () => readSource(location, maxBundleBytes),
    prepare: async (source) => {
      const prepared = await RegoModule.load(source, { ...module, engine })
      prepared.query(inputOf(sampleRequest))
      return prepared
    },
    watched: watch ? filesOf(location) : [],
  })
  return localEngine(ENGINE, settings, policies, (rego, request) => rego.query(toInput(request)))
}
