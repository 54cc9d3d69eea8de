import type { Server } from 'node:https'
import { fileURLToPath } from 'node:url'
import { jwtClaims } from 'fastify-spiffe/jwt'
import { opaWasm } from '@fastify-spiffe/engine-opa-wasm'
import Fastify, { type FastifyInstance } from 'fastify'
import fastifySpiffe, { spiffeServer, type X509MaterialSource } from 'fastify-spiffe'
import { AUDIENCE, ISSUER } from './issuer.ts'

const bundle = fileURLToPath(new URL('../policy/orders.tar.gz', import.meta.url))

interface OrdersOptions {
  readonly source: X509MaterialSource
  /** The policy document, which is watched. */
  readonly policyFile: string
  /** The keys of the issuer of tokens. */
  readonly keysFile: string
}

/** The orders of all tenants. Who may do what stands in the policy document, and not here. */
export async function createOrders({
  source,
  policyFile,
  keysFile,
}: OrdersOptions): Promise<FastifyInstance<Server>> {
  // Probes have no certificate.
  const app = Fastify(spiffeServer(source, { clientCertificate: 'optional' }))
  await app.register(fastifySpiffe, {
    source,
    tenant: '/{tenant}/{workload}',
    tenants: { trustDomain: 'example.org' },
    policy: { file: policyFile, watch: true },
    attributes: [
      jwtClaims({
        issuer: ISSUER,
        audience: AUDIENCE,
        algorithms: ['ES256'],
        jwks: { file: keysFile },
      }),
    ],
    // No rule in force asks it yet: see `setCandidate` in main.ts.
    engines: [await opaWasm({ wasm: { file: bundle }, name: 'rego', reads: ['jwt.mfa'] })],
  })

  interface Order {
    Params: { tenant: string; id: string }
  }
  app.get<Order>('/tenants/:tenant/orders/:id', ({ params }) => `order ${params.id}`)
  app.put<Order>('/tenants/:tenant/orders/:id', ({ params }) => `changed ${params.id}`)
  app.get('/health', { config: { spiffe: { public: { reason: 'probes' } } } }, () => 'ok')
  return app
}
