import type { SpiffeHttpsOptions } from '@fastify-spiffe/svid'
import Fastify from 'fastify'
import fastifySpiffe, { spiffeServer, X509Source } from 'fastify-spiffe'

// The service of the README with a long grace, which closes when its parent says so, and does nothing to end the process.
const source = await X509Source.open() // $SPIFFE_ENDPOINT_SOCKET
const options =
  process.argv[2] === 'http2'
    ? spiffeServer(source, { http2: true, allowHTTP1: true, graceMs: 72_000 })
    : spiffeServer(source, { graceMs: 72_000 })
// As one of both protocols, for the compiler.
const app = Fastify(options as SpiffeHttpsOptions)
await app.register(fastifySpiffe, { source })

app.get(
  '/orders',
  { config: { spiffe: { allow: ['spiffe://example.org/acme/web'] } } },
  (request) => `hello ${String(request.spiffeId)}`,
)

const url = await app.listen({ host: '127.0.0.1', port: 0 })
process.send?.(url)
process.once('message', () => {
  process.disconnect()
  void app.close()
})
