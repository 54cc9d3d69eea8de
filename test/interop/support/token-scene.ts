import { JwtSource, X509Source } from '@fastify-spiffe/workload-api'
import { SpireServer, Workload, type WorkloadOptions } from '../../spire/fixture/index.ts'
import { startKept, type Keep } from './kept-parts.ts'
import { startTokenService, type TokenService } from './token-service.ts'

/** Who the tokens are for. */
export const AUDIENCE = 'orders'

/** Workloads of two trust domains, and our source of tokens and JWT bundles at one of them. */
export interface TokenScene extends AsyncDisposable {
  /** Where peers get their identities: `THEIRS`, and `PARTNER`, which is of a federated trust domain. */
  readonly workloads: Readonly<Record<'theirs' | 'partner', Workload>>
  /** Ours, as `OURS`. */
  readonly source: JwtSource
  /** Ours, which is called with tokens for {@link AUDIENCE}. */
  readonly service: TokenService
  /** The server of a trust domain that is foreign to the others. */
  readonly foreign: SpireServer
}

/** Starts `a.test` and `c.test`, which know each other, and `b.test`, which is not known to them. */
export function startTokenScene(): Promise<TokenScene> {
  return startKept(start)
}

async function start(keep: Keep): Promise<Omit<TokenScene, keyof AsyncDisposable>> {
  const server = async (trustDomain: string): Promise<SpireServer> =>
    keep(await SpireServer.start({ trustDomain, federation: true }))
  const workload = async (options: WorkloadOptions): Promise<Workload> =>
    keep(await Workload.start(options))

  const [a, foreign, c] = await Promise.all([server('a.test'), server('b.test'), server('c.test')])
  await Promise.all([a.federateWith(c), c.federateWith(a)])
  const here = { server: a, federatesWith: ['c.test'] }
  const [orders, theirs, partner] = await Promise.all([
    workload({ ...here, path: '/acme/orders' }),
    workload({ ...here, path: '/acme/web' }),
    workload({ server: c, path: '/acme/web', federatesWith: ['a.test'] }),
  ])
  // An agent that has not heard of an entry yet refuses to issue a token, and does not wait.
  for (const { address } of [orders, theirs, partner]) {
    const known = await X509Source.open({ address })
    await known.close()
  }
  const source = keep(await JwtSource.open({ address: orders.address }))
  const service = keep(await startTokenService(source, AUDIENCE))
  return { workloads: { theirs, partner }, source, service, foreign }
}
