import type { CheckContext } from '../deadline.ts'
import type { Engine, EngineRequest } from '../engines/engine.ts'
import type { EngineSettings } from './settings.ts'
import type { Endpoint } from './endpoint-options.ts'
import { JsonEndpoint } from './json-endpoint.ts'
import { timeoutFor } from './locality.ts'

/** Sends a request to the service and reads its answer. An answer that is not a decision is an error. */
export type QueryService = (
  service: JsonEndpoint,
  request: EngineRequest,
  context: CheckContext,
) => Promise<boolean>

/** An engine that asks a service over HTTP, in JSON. Its deadline depends on where the service is. */
export function jsonEngine(
  name: string,
  endpoint: Endpoint,
  settings: EngineSettings,
  query: QueryService,
): Engine {
  const service = new JsonEndpoint(name, endpoint)
  return {
    name,
    timeoutMs: timeoutFor(endpoint.isLocal),
    ...settings,
    cost: 'io',
    decide: (request, context) => query(service, request, context),
    close: () => service.close(),
  }
}
