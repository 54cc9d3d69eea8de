import { once } from 'node:events'
import { Authority, mintRootCa } from '@fastify-spiffe/authority'
import { createDispatcher, type SvidDispatcher } from '@fastify-spiffe/fetch'
import { webPki } from 'fastify-spiffe/tls'
import { openGateway, originOf } from './gateway.ts'
import { AUDIENCE, BILLING, GATEWAY, ORDERS } from './names.ts'
import { createOrders } from './orders.ts'

// In production each has a server and agents of its own, and the two federate by their bundle endpoints.
await using shop = await Authority.create({ trustDomain: 'shop.test' })
await using partner = await Authority.create({ trustDomain: 'partner.test' })
shop.federate(partner)

await using orders = await createOrders(await shop.source(ORDERS))
const upstream = new URL(await orders.listen({ host: '127.0.0.1', port: 0 }))

// The gateway has a certificate of the Web PKI for its clients, and its SVID for the service.
const web = await mintRootCa('web.test')
const edge = await web.mint('spiffe://web.test/edge', { dnsNames: ['localhost'] })
const certificate = { cert: edge.certificatesPem, key: edge.privateKeyPem }
const gateway = await openGateway(await shop.source(GATEWAY), certificate, upstream)
const origin = originOf(gateway)

// The gateway asks for no certificate: the partner presents a token for this one service.
const billing = await partner.source(BILLING)
function clientWith(audience: string | null): SvidDispatcher {
  return createDispatcher({
    source: billing,
    server: webPki({ ca: web.certificatePem }),
    ...(audience !== null && { jwt: { audiences: { [origin]: audience }, tokens: billing } }),
  })
}

async function call(title: string, client: SvidDispatcher, path: string): Promise<void> {
  const response = await client.fetch(`${origin}${path}`)
  console.log(`${title.padEnd(30)} ${response.status} ${await response.text()}`)
}

const [client, stranger, careless] = [AUDIENCE, 'ledger.shop.test', null].map(clientWith)
await call('with a token:', client!, '/orders')
await call('with one for another service:', stranger!, '/orders')
await call('without one:', careless!, '/orders')
await call('what a token is not good for:', client!, '/refunds')
shop.unfederate(partner)
await call('no longer federated:', client!, '/orders')

await Promise.all([client!.close(), stranger!.close(), careless!.close()])
const closed = once(gateway, 'close')
gateway.close()
await closed
