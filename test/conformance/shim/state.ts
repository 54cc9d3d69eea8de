import type { Federation } from '@fastify-spiffe/federation'
import type { X509MaterialSource } from '@fastify-spiffe/spiffe'
import type { Answer } from './answer.ts'
import type { JwtBundles } from './jwt-validate.ts'

interface Sources {
  readonly source: X509MaterialSource
  readonly federation: Federation
  readonly jwtBundles: JwtBundles
}

/** `GET /v2/state`: what the sources hold. */
export function state({ source, federation, jwtBundles }: Sources): Answer {
  const { svid } = source
  const counts = [...source.bundles].map(({ trustDomain, authorities }) => [
    trustDomain.name,
    {
      // The Workload API tells no sequence numbers.
      sequence: federation.status(trustDomain)?.sequence ?? null,
      x509: authorities.length,
      jwt: jwtBundles.held?.get(trustDomain)?.authorities.length ?? 0,
    },
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
