// A service as users bundle it: plugins, a source, and an engine's module that it does not use.
import Fastify from 'fastify'
import fastifySpiffe, { X509Source, spiffeServer } from 'fastify-spiffe'
import { extAuthz } from '@fastify-spiffe/engine-ext-authz'

const WEB = 'spiffe://example.org/acme/web'

async function main() {
  const engine = extAuthz({ target: 'unix:/nonexistent/pdp.sock' })
  const source = await X509Source.open()
  const app = Fastify({ ...spiffeServer(source), logger: true })
  await app.register(fastifySpiffe, {
    source,
    closeSource: true,
    tenant: '/{tenant}/{workload}',
    engines: [engine],
  })
  const open = { config: { spiffe: { allow: [WEB] } } }
  app.get('/orders', open, (request) => `hello ${String(request.spiffeId)}`)
  const asked = { config: { spiffe: { allow: [WEB], engines: ['ext-authz'] } } }
  app.get('/asked', asked, () => 'never')
  await app.listen({ host: '127.0.0.1', port: 0 })
  process.stdout.write(`\nport ${app.server.address().port}\n`)
  process.once('SIGTERM', () => void app.close())
}

void main()
