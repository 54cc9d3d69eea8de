// Not wrapped with fastify-plugin: it stands in a child of its own.
import fastifySpiffe from 'fastify-spiffe'

export default async function identity(app, { source }) {
  await app.register(fastifySpiffe, { source, closeSource: true })
}
