import Fastify from 'fastify'
import fastifySpiffe, { spiffeServer, X509Source } from 'fastify-spiffe'

const source = await X509Source.open() // $SPIFFE_ENDPOINT_SOCKET
const app = Fastify({ ...spiffeServer(source), logger: true })
await app.register(fastifySpiffe, { source })

app.get(
  '/orders',
  { config: { spiffe: { allow: ['spiffe://example.org/acme/web'] } } },
  (request) => `hello ${String(request.spiffeId)}`,
)

await app.listen({ host: '127.0.0.1', port: Number(process.env['PORT'] ?? 8443) })
process.once('SIGTERM', () => void app.close()).once('SIGINT', () => void app.close())
