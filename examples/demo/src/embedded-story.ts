import { TlsError } from '@fastify-spiffe/tls'
import { Authority, type SvidTemplate } from '@fastify-spiffe/authority'
import { X509Source } from 'fastify-spiffe'
import { call } from './callers.ts'
import { check, checkStatus } from './check.ts'
import { showDecisionCache, showIdentity } from './chapters.ts'
import { Load, presentedSerial } from './load.ts'
import { type Service, startService } from './services.ts'
import { Stage } from './stage.ts'
import { withdrawTrust } from './withdrawn-trust.ts'
import { chapter, good, info, refused, strong } from './terminal.ts'

const SVID_TTL_MS = 3000
const CALLER_TTL_MS = 60_000
const ROTATIONS = 3

/** Everything that the story takes part in, ended in reverse order of its making. */
interface Cast {
  readonly authority: Authority
  readonly partner: Authority
  readonly orders: Service
  readonly billing: Service
  /** Identities by their short names. */
  readonly web: X509Source
  readonly ordersSource: X509Source
  readonly billingSource: X509Source
  readonly stranger: X509Source
}

/** The whole story on an embedded authority: two tenants, two trust domains, rotations under load. */
export async function tellEmbeddedStory(): Promise<void> {
  await using stage = new Stage()
  const cast = await assemble(stage)
  await identityAndRoutes(cast)
  await federation(cast)
  await rotations(cast)
  await withdrawTrust(cast.authority, cast.web, cast.orders)
  await showDecisionCache(cast.web, cast.orders, 'acme')
}

async function assemble(stage: Stage): Promise<Cast> {
  const authority = stage.use(
    await Authority.create({ trustDomain: 'example.org', svidTtlMs: SVID_TTL_MS }),
  )
  const partner = stage.use(await Authority.create({ trustDomain: 'partner.test' }))
  const open = async (
    of: Authority,
    path: string,
    template: SvidTemplate = {},
  ): Promise<X509Source> => {
    const spiffeId = `spiffe://${of.trustDomain.name}${path}`
    const endpoint = stage.use(await of.serve({ spiffeId, template }))
    return stage.use(await X509Source.open({ address: endpoint.address }))
  }
  const ordersSource = await open(authority, '/acme/orders')
  const billingSource = await open(authority, '/globex/billing')
  // A connection lives no longer than its caller's proof, so the caller that keeps one has a longer SVID.
  const web = await open(authority, '/acme/web', { notAfter: Date.now() + CALLER_TTL_MS })
  const stranger = await open(partner, '/shop/web')
  const orders = await startService({
    source: ordersSource,
    readers: ['spiffe://example.org/acme/*'],
  })
  stage.defer(orders.close)
  const billing = await startService({
    source: billingSource,
    readers: ['spiffe://example.org/globex/*', 'spiffe://example.org/acme/orders'],
  })
  stage.defer(billing.close)
  return { authority, partner, orders, billing, web, ordersSource, billingSource, stranger }
}

async function identityAndRoutes({
  orders,
  billing,
  web,
  ordersSource,
  billingSource,
}: Cast): Promise<void> {
  chapter('Identity: each service has an SVID from the Workload API')
  showIdentity('orders', ordersSource)
  showIdentity('billing', billingSource)

  chapter('Routes say who may call them')
  const allowed = await call(web, orders, '/orders')
  checkStatus(allowed, 200)
  good(`acme/web    -> orders   GET /orders  ${strong(200)}  "${allowed.body}"`)
  const across = await call(ordersSource, billing, '/orders')
  checkStatus(across, 200)
  good(`acme/orders -> billing  GET /orders  ${strong(200)}  named across tenants`)
  const forbidden = await call(billingSource, orders, '/orders')
  checkStatus(forbidden, 403)
  refused(`globex/billing -> orders  GET /orders  ${strong(403)}  "${forbidden.body}"`)
}

async function federation({ authority, partner, orders, stranger }: Cast): Promise<void> {
  chapter('A caller of another trust domain')
  // The partner trusts us already; whether we trust the partner is our decision.
  await changed(stranger, () => partner.federate(authority))
  const rejection = await call(stranger, orders, '/catalog').catch((error: unknown) => error)
  check(rejection instanceof Error, 'a stranger got an answer')
  refused(
    `partner.test/shop/web -> orders  ${strong('rejected at the handshake')} (${reason(rejection)})`,
  )

  authority.federate(partner)
  const welcome = await eventually(() => call(stranger, orders, '/catalog'))
  checkStatus(welcome, 200)
  good(`after federation: GET /catalog  ${strong(200)}  "${welcome.body}"`)
}

async function rotations({ authority, orders, web, ordersSource }: Cast): Promise<void> {
  chapter(`Rotation: SVIDs live for ${SVID_TTL_MS / 1000} s and are replaced at half their life`)
  const load = new Load(web, orders, '/orders')
  for (let rotation = 1; rotation <= ROTATIONS; rotation += 1) {
    await ordersSource.nextUpdate()
    info(
      `rotation ${rotation}: new connections are shown serial ${strong(await presentedSerial(web, orders))}`,
    )
  }
  const report = await load.stop()
  check(report.failed === 0, `${report.failed} requests failed`)
  good(
    `${report.keptAlive} requests on one kept-alive connection, ${report.fresh} on fresh ones, ${strong(`${report.failed} failed`)}`,
  )

  const during = new Load(web, orders, '/orders')
  const former = issuer(ordersSource)
  await authority.rotateAuthority()
  while (issuer(ordersSource) === former) await ordersSource.nextUpdate()
  await call(web, orders, '/orders')
  const rotated = await during.stop()
  check(rotated.failed === 0, `${rotated.failed} requests failed`)
  good(
    `the authority was rotated: ${rotated.keptAlive + rotated.fresh} requests meanwhile, ` +
      strong(`${rotated.failed} failed`),
  )
}

/** The name of the authority that issued the SVID in use. */
function issuer(source: X509Source): string | undefined {
  return source.svid?.leaf.x509.issuer
}

/** Makes a change and waits until `source` has heard of it. */
async function changed(source: X509Source, change: () => unknown): Promise<void> {
  const update = source.nextUpdate()
  await change()
  await update
}

function reason(error: unknown): string {
  return error instanceof TlsError
    ? error.code
    : ((error as NodeJS.ErrnoException).code ?? 'connection closed')
}

/** An agent passes a new bundle on when it has it: try until then, for two seconds at most. */
async function eventually<T>(attempt: () => Promise<T>): Promise<T> {
  const deadline = performance.now() + 2000
  for (;;) {
    try {
      return await attempt()
    } catch (error) {
      if (performance.now() > deadline) throw error
    }
  }
}
