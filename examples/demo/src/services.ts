import { EventEmitter, once } from 'node:events'
import type { AddressInfo } from 'node:net'
import Fastify from 'fastify'
import {
  authz,
  matchId,
  matchMemberOf,
  peer,
  spiffeServer,
  svid,
  where,
  type X509MaterialSource,
} from 'fastify-spiffe'
import type { Callee } from './callers.ts'

export interface Service extends Callee {
  /** How often the service has asked for a quota, which stands for an expensive decision. */
  readonly quotaChecks: () => number
  /** Says `begin` when a report is asked for; it is ready at `finish`. */
  readonly reports: EventEmitter
  /** Forgets the remembered decisions of one tenant. */
  readonly forget: (tenant: string) => void
  readonly close: () => Promise<void>
}

export interface ServiceOptions {
  readonly source: X509MaterialSource
  /** Who may read orders. */
  readonly readers: readonly string[]
  /** 0 lets the system choose. */
  readonly port?: number
}

/** A service as a user would write it: the three plugins, and routes that say who may call them. */
export async function startService({
  source,
  readers,
  port = 0,
}: ServiceOptions): Promise<Service> {
  const own = source.svid
  if (own === null) throw new Error('the service has no identity')
  let quotaChecks = 0
  const reports = new EventEmitter()

  const app = Fastify(spiffeServer(source, { http2: true, allowHTTP1: true }))
  await app.register(svid, { source })
  await app.register(peer)
  await app.register(authz, { tenant: '/{tenant}/{workload}' })

  app.get(
    '/orders',
    { config: { spiffe: { allow: readers } } },
    (request) => `hello ${String(request.spiffeId)}`,
  )

  app.get(
    '/catalog',
    { config: { spiffe: { anyAuthenticated: true } } },
    (request) => `hello ${String(request.spiffeId)}`,
  )

  app.get('/report', { config: { spiffe: { anyAuthenticated: true } } }, async () => {
    const finished = once(reports, 'finish')
    reports.emit('begin')
    await finished
    return 'the report'
  })

  app.get(
    '/quota',
    {
      config: {
        spiffe: {
          allow: [matchMemberOf(own.spiffeId.trustDomain)],
          where: where(
            async () => {
              quotaChecks += 1
              return true
            },
            { reads: ['tenant', 'method'] },
          ),
        },
      },
    },
    () => 'within the quota',
  )

  await app.listen({ host: '127.0.0.1', port })
  return {
    port: (app.server.address() as AddressInfo).port,
    server: matchId(own.spiffeId),
    quotaChecks: () => quotaChecks,
    reports,
    forget: (tenant) =>
      app.authz.invalidate({ trustDomain: own.spiffeId.trustDomain, name: tenant }),
    close: () => app.close(),
  }
}
