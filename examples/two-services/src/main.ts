import { Authority } from '@fastify-spiffe/authority'
import { createBilling } from './billing.ts'
import { call } from './call.ts'
import { createOrders } from './orders.ts'

const ORDERS = 'spiffe://example.org/acme/orders'
const BILLING = 'spiffe://example.org/globex/billing'

// In production each service has a process and an agent of its own: X509Source.open().
await using authority = await Authority.create({ trustDomain: 'example.org' })
const ordersSource = await authority.source(ORDERS)
const billingSource = await authority.source(BILLING)

await using orders = await createOrders(ordersSource)
await using billing = await createBilling(billingSource)
const ordersUrl = await orders.listen({ host: '127.0.0.1', port: 0 })
const billingUrl = await billing.listen({ host: '127.0.0.1', port: 0 })

const read = await call(billingSource, ORDERS, `${ordersUrl}/orders/7`)
console.log(`billing of globex reads an order of acme:   ${read}`)

const refused = await call(ordersSource, BILLING, `${billingUrl}/invoices/7`)
console.log(`orders of acme reads an invoice of globex:  ${refused}`)
