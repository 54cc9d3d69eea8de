import { once } from 'node:events'
import https from 'node:https'
import { text } from 'node:stream/consumers'
import { SvidAgent, X509Source } from 'fastify-spiffe'

await using source = await X509Source.open() // $SPIFFE_ENDPOINT_SOCKET
const agent = new SvidAgent({ source, server: 'spiffe://example.org/acme/orders' })

const url = `https://127.0.0.1:${process.env['PORT'] ?? 8443}/orders`
const [response] = await once(https.get(url, { agent }), 'response')
console.log(response.statusCode, await text(response))
