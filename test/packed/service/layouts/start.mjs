// An application for `fastify start --options`, which registers it as a child, with a deep copy of its options.
import fastifySpiffe, { X509Source, spiffeServer } from 'fastify-spiffe'

const source = await X509Source.open()

export const options = spiffeServer(source)

export default async function service(app, _options) {
  await app.register(fastifySpiffe, { source, closeSource: true })
  const spiffe = { allow: ['spiffe://example.org/acme/web'] }
  app.get('/orders', { config: { spiffe } }, (request) => `hello ${String(request.spiffeId)}`)
}
