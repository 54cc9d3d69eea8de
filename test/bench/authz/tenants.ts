import { createRequire } from 'node:module'
import { where } from '@fastify-spiffe/authz'
import { SpiffeId } from '@fastify-spiffe/spiffe'
import { type GateRequest, gateOf } from './gate.ts'

const VICTIMS = 199
const KEYS = 500
const REQUESTS = 200_000

/** What the victims of a noisy tenant still get from the cache. */
export interface NoiseResult {
  /** The share of the traffic that the noisy tenant has, each time under a new key. */
  readonly noise: number
  readonly hitRate: number
  /** With one LRU for all tenants, of as many decisions as the victims have and a fifth more. */
  readonly oneLruHitRate: number
}

interface Lru {
  get(key: string): unknown
  set(key: string, value: true): unknown
}

// It is a dependency of the plugin, not of this suite.
const { LRUCache } = createRequire(
  new URL('../../../../packages/policy/package.json', import.meta.url),
)('lru-cache') as { LRUCache: new (options: { max: number }) => Lru }

export async function hitRatesUnderNoise(noise: number): Promise<NoiseResult> {
  const check = where(() => true, { reads: ['params.id'] })
  const { app, pass, request } = await gateOf(
    { orders: { anyAuthenticated: true, where: check } },
    { clock: () => 1_000_000 },
  )
  const requests: GateRequest[] = []
  for (let victim = 0; victim < VICTIMS; victim++) {
    const caller = SpiffeId.parse(`spiffe://example.org/victim-${victim}/web`)
    for (let key = 0; key < KEYS; key++) requests.push(request('orders', caller, `order-${key}`))
  }
  const lru = new LRUCache({ max: Math.round(VICTIMS * KEYS * 1.2) })
  for (const [at, each] of requests.entries()) {
    pass(each)
    pass(each)
    lru.set(`victim ${at}`, true)
  }
  const noisy = SpiffeId.parse('spiffe://example.org/noisy/web')
  const next = random()
  let [asked, hits, lruHits] = [0, 0, 0]
  for (let at = 0; at < REQUESTS; at++) {
    if (next() < noise) {
      pass(request('orders', noisy, `minted-${at}`))
      lru.set(`noisy ${at}`, true)
      continue
    }
    const which = Math.floor(next() * requests.length)
    const before = app.authz.stats().hits
    pass(requests[which]!)
    asked++
    hits += app.authz.stats().hits - before
    if (lru.get(`victim ${which}`) === true) lruHits++
    else lru.set(`victim ${which}`, true)
  }
  await app.close()
  return { noise, hitRate: hits / asked, oneLruHitRate: lruHits / asked }
}

/** The same numbers in each run. */
function random(): () => number {
  let state = 7
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    return state / 2 ** 32
  }
}
