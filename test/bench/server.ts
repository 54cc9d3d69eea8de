// The measured process: one Fastify service, either with the three plugins or bare with static strict mTLS.
import type { AddressInfo } from 'node:net'
import Fastify, { type FastifyInstance } from 'fastify'
import { X509Source, authz, peer, spiffeServer, svid } from 'fastify-spiffe'

export type ServerRole =
  | {
      readonly kind: 'plugins'
      readonly address: string
      readonly sessionTicketLifetimeMs?: number
    }
  | {
      readonly kind: 'bare'
      readonly cert: string
      readonly key: string
      readonly ca: string
      readonly http2?: boolean
    }

/** Messages to the parent. */
export type ServerReport =
  | { readonly kind: 'listening'; readonly port: number }
  | { readonly kind: 'cpu'; readonly cpuMs: number }

function bare(role: ServerRole & { kind: 'bare' }): FastifyInstance {
  const { cert, key, ca, http2 = false } = role
  const https = { cert, key, ca, requestCert: true, rejectUnauthorized: true }
  const app = http2 ? Fastify({ http2, https }) : Fastify({ https })
  // The two differ in the types of their requests only.
  const service = app as FastifyInstance
  service.get('/orders', () => 'orders')
  return service
}

async function withPlugins(role: ServerRole & { kind: 'plugins' }): Promise<FastifyInstance> {
  const source = await X509Source.open({ address: role.address })
  const { sessionTicketLifetimeMs = 0 } = role
  const app = Fastify(spiffeServer(source, { sessionTicketLifetimeMs }))
  await app.register(svid, { source, closeSource: true })
  await app.register(peer)
  await app.register(authz, { tenant: '/{tenant}/{workload}' })
  app.get(
    '/orders',
    { config: { spiffe: { allow: ['spiffe://example.org/acme/web'] } } },
    () => 'orders',
  )
  return app
}

const report = (message: ServerReport): void => {
  process.send?.(message)
}

process.once('message', (role: ServerRole) => {
  void serve(role)
})

async function serve(role: ServerRole): Promise<void> {
  const app = role.kind === 'bare' ? bare(role) : await withPlugins(role)
  await app.listen({ host: '127.0.0.1', port: 0 })
  process.on('message', (message) => {
    if (message === 'cpu') {
      const { user, system } = process.cpuUsage()
      report({ kind: 'cpu', cpuMs: (user + system) / 1000 })
    }
  })
  process.once('disconnect', () => {
    void app.close().then(() => process.exit(0))
  })
  report({ kind: 'listening', port: (app.server.address() as AddressInfo).port })
}
