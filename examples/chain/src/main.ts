import { Authority } from '@fastify-spiffe/authority'
import { SvidAgent } from 'fastify-spiffe'
import { Chains } from 'fastify-spiffe/chain'
import { call } from './call.ts'
import { createCheckout } from './checkout.ts'
import { createLedger } from './ledger.ts'
import { CHECKOUT, LEDGER, WEB } from './names.ts'

// In production each service has a process and an agent of its own: X509Source.open().
await using authority = await Authority.create({ trustDomain: 'example.org' })
const webSource = await authority.source(WEB)

await using ledger = await createLedger(await authority.source(LEDGER))
const ledgerUrl = await ledger.listen({ host: '127.0.0.1', port: 0 })
await using checkout = await createCheckout(await authority.source(CHECKOUT), ledgerUrl)
const checkoutUrl = await checkout.listen({ host: '127.0.0.1', port: 0 })

// The first caller is no service: it signs the first token itself.
const chains = new Chains({ source: webSource, handTo: [CHECKOUT] })
const chainHeaders = (audience: string): object => chains.headersFor(audience, null)
const signing = new SvidAgent({ source: webSource, server: CHECKOUT, chainHeaders })
const silent = new SvidAgent({ source: webSource, server: CHECKOUT })

console.log(`for web, which says so:   ${await call(signing, `${checkoutUrl}/total`)}`)
console.log(`for web, which does not:  ${await call(silent, `${checkoutUrl}/total`)}`)
console.log(`checkout for itself:      ${await call(signing, `${checkoutUrl}/audit`)}`)
