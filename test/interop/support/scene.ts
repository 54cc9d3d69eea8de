import { SpireServer, Workload, type WorkloadOptions } from '../../spire/fixture/index.ts'
import { Service } from '../../spire/support/service.ts'
import { startKept, type Keep } from './kept-parts.ts'

/** The SPIFFE ID of our service, and of our client. */
export const OURS = 'spiffe://a.test/acme/orders'
/** The SPIFFE ID that every peer has. */
export const THEIRS = 'spiffe://a.test/acme/web'
/** The SPIFFE ID of a workload whose trust domain is foreign to `a.test`. */
export const FOREIGN = 'spiffe://b.test/acme/web'
/** The SPIFFE ID of a workload whose trust domain is federated with `a.test`. */
export const PARTNER = 'spiffe://c.test/acme/web'

/** The DNS name of our service, for peers that look for nothing else. */
export const DNS_NAME = 'orders.a.test'

/** SPIRE's fastest: a new SVID about every 5 s, which is valid for 10. */
const x509SvidTtlMs = 10_000

/** Workloads of three trust domains, each on an agent of its own, and services of ours on three of them. */
export interface Scene extends AsyncDisposable {
  /** Where peers get their identities from. */
  readonly workloads: Readonly<Record<'theirs' | 'foreign' | 'partner', Workload>>
  /**
   * Services of ours, whose sources our clients use: as {@link OURS}; as {@link THEIRS}, which is another workload of the
   * same trust domain without our DNS name; and as {@link FOREIGN}, which has that name.
   */
  readonly services: Readonly<Record<'ours' | 'other' | 'stranger', Service>>
}

/**
 * Starts `a.test`, `b.test` and `c.test`. The first and the last know each other. `b.test` knows `a.test` and is not known
 * to it: its workloads accept those of `a.test`, so that whoever refuses is the other end.
 */
export function startScene(): Promise<Scene> {
  return startKept(start)
}

async function start(keep: Keep): Promise<Omit<Scene, keyof AsyncDisposable>> {
  const server = async (trustDomain: string): Promise<SpireServer> =>
    keep(await SpireServer.start({ trustDomain, federation: true }))
  const workload = async (options: WorkloadOptions): Promise<Workload> =>
    keep(await Workload.start(options))
  const service = async (identity: Workload): Promise<Service> =>
    keep(await Service.start({ workload: identity, allow: [THEIRS, FOREIGN, PARTNER] }))

  const [a, b, c] = await Promise.all([server('a.test'), server('b.test'), server('c.test')])
  await Promise.all([a.federateWith(c), b.federateWith(a), c.federateWith(a)])
  const here = { server: a, federatesWith: ['c.test'], x509SvidTtlMs }
  const there = { path: '/acme/web', federatesWith: ['a.test'], dnsNames: [DNS_NAME] }
  const [orders, theirs, foreign, partner] = await Promise.all([
    workload({ ...here, path: '/acme/orders', dnsNames: [DNS_NAME] }),
    workload({ ...here, path: '/acme/web', dnsNames: ['web.a.test'] }),
    workload({ ...there, server: b }),
    workload({ ...there, server: c }),
  ])
  const [ours, other, stranger] = await Promise.all([
    service(orders),
    service(theirs),
    service(foreign),
  ])
  return { workloads: { theirs, foreign, partner }, services: { ours, other, stranger } }
}
