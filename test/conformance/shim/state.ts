import type { X509Source } from '@fastify-spiffe/workload-api'
import type { Answer } from './answer.ts'

/** `GET /v2/state`: what the source holds. */
export function state(source: X509Source): Answer {
  const { svid } = source
  // The Workload API tells no sequence numbers.
  const counts = [...source.bundles].map(({ trustDomain, authorities }) => [
    trustDomain.name,
    { sequence: null, x509: authorities.length, jwt: 0 },
  ])
  return {
    code: 200,
    body: {
      status: 'ok',
      spiffe_id: svid?.spiffeId.toString() ?? null,
      serial: svid?.leaf.serialNumber ?? null,
      state: source.state,
      bundles: Object.fromEntries(counts),
    },
  }
}
