import type { Federation } from '@fastify-spiffe/federation'
import type { X509MaterialSource } from '@fastify-spiffe/spiffe'
import type { Answer } from './answer.ts'
import type { Jwt } from './jwt.ts'

interface Sources {
  readonly source: X509MaterialSource
  readonly federation: Federation
  readonly jwt: Jwt
}

/** `GET /v2/state`: what the sources hold. */
export async function state({ source, federation, jwt }: Sources): Promise<Answer> {
  const { svid } = source
  // Whoever has no JWT bundles has those of the federation.
  const { jwtBundles } = await jwt.source(1_000).catch(() => federation)
  const counts = [...source.bundles].map(({ trustDomain, authorities }) => [
    trustDomain.name,
    {
      // The Workload API tells no sequence numbers.
      sequence: federation.status(trustDomain)?.sequence ?? null,
      x509: authorities.length,
      jwt: jwtBundles.get(trustDomain)?.authorities.length ?? 0,
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
