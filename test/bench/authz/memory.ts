// Run with --expose-gc: fills the cache with a million decisions of a thousand tenants, and flushes each of them.
import { where } from '@fastify-spiffe/authz'
import { SpiffeId } from '@fastify-spiffe/spiffe'
import { type GateRequest, gateOf } from './gate.ts'

const TENANTS = 1000
const IDENTITIES = 50
const ROUTES = 20

const routes = Array.from({ length: ROUTES }, (_, at) => `route-${at}`)
const rule = { anyAuthenticated: true, where: where(() => true, { reads: ['tenant'] }) } as const
const { app, pass, request } = await gateOf(
  Object.fromEntries(routes.map((name) => [name, rule])),
  { clock: () => 1_000_000, cache: { maxDecisionsPerTenant: 1200, allowTtlMs: 3_600_000 } },
)
const ids = Array.from({ length: TENANTS * IDENTITIES }, (_, at) =>
  SpiffeId.parse(`spiffe://example.org/t${Math.floor(at / IDENTITIES)}/w${at % IDENTITIES}`),
)
const requests = routes.map((name) => request(name, ids[0]!))
/** One request for each route, whose caller changes: a connection is no part of what a decision takes. */
const as = (each: GateRequest, spiffeId: SpiffeId): GateRequest =>
  Object.assign(each, { spiffeId, peer: { spiffeId, notAfter: Number.MAX_SAFE_INTEGER } })

const heap = (): number => {
  globalThis.gc?.()
  return process.memoryUsage().heapUsed
}
const before = heap()
for (const id of ids) {
  for (const each of requests) {
    as(each, id)
    pass(each)
    pass(each)
  }
}
const mebibytes = (heap() - before) / 2 ** 20
const { decisions } = app.authz.stats()

const times = Array.from({ length: TENANTS }, (_, tenant) => {
  const name = `t${tenant}`
  const start = performance.now()
  app.authz.invalidate({ trustDomain: 'example.org', name })
  return (performance.now() - start) * 1000
}).toSorted((a, b) => a - b)
// The median: a collection of what was forgotten before falls into some of them.
const flushUs = times[TENANTS / 2]
const left = app.authz.stats().decisions
process.stdout.write(JSON.stringify({ decisions, mebibytes, flushUs, left }))
await app.close()
